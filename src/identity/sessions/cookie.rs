//! The console's cookie: `__Host-portcullis` over HTTPS, plain `portcullis` on this machine alone, so that a
//! first try in a browser works.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
    http::header,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieName {
    Secure,
    Loopback,
}

impl CookieName {
    /// Which one a request uses; `https` says that the instance is known to be reached by HTTPS alone.
    pub fn of(request: &HttpRequest, https: bool) -> Self {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !https && is_loopback(host) { Self::Loopback } else { Self::Secure }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secure => "__Host-portcullis",
            Self::Loopback => "portcullis",
        }
    }

    /// The secret that the request carries. A cookie that stands twice counts as none.
    pub fn read(self, request: &HttpRequest) -> Option<&str> {
        let mut found = request
            .headers()
            .get_all(header::COOKIE)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.as_str())
            .map(|(_, secret)| secret);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    pub(super) fn set(self, secret: String) -> Cookie<'static> {
        Cookie::build(self.as_str(), secret)
            .path("/")
            .http_only(true)
            .secure(self == Self::Secure)
            .same_site(SameSite::Strict)
            .finish()
    }

    pub(super) fn clear(self) -> Cookie<'static> {
        let mut cookie = self.set(String::new());
        cookie.set_max_age(Duration::ZERO);
        cookie
    }
}

/// `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn name(host: &str, https: bool) -> CookieName {
        let request = TestRequest::default().insert_header((header::HOST, host)).to_http_request();
        CookieName::of(&request, https)
    }

    #[test]
    fn only_this_machine_gets_a_cookie_without_secure() {
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST"] {
            assert_eq!(name(host, false), CookieName::Loopback, "{host}");
            assert_eq!(name(host, true), CookieName::Secure, "{host}");
        }
        for host in ["example.com", "localhost.example.com", "127.0.0.1.example.com", ""] {
            assert_eq!(name(host, false), CookieName::Secure, "{host}");
        }
    }

    #[test]
    fn a_cookie_that_stands_twice_is_none() {
        let read = |value: &str| {
            let request = TestRequest::default().insert_header((header::COOKIE, value)).to_http_request();
            CookieName::Loopback.read(&request).map(str::to_owned)
        };
        assert_eq!(read("a=1; portcullis=x").as_deref(), Some("x"));
        assert_eq!(read("portcullis=x; portcullis=y"), None);
        assert_eq!(read("xportcullis=y"), None);
    }
}
