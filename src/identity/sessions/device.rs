//! Devices as far as they can be told apart: browser, system and neighbourhood in the network.

use super::action::Requester;
use crate::{
    audit::Event,
    clock::Time,
    error::Result,
    identity::{Identity, users},
    ids::Id,
    mail::Template,
    params,
    storage::{Reader, Tx},
};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Devices that are remembered for one user.
const REMEMBERED: i64 = 50;
const NAME_CHARS: usize = 40;

/// Marks in a user agent and what they mean; the first that is found counts.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
    ("Wget/", "Wget"),
    ("PostmanRuntime/", "Postman"),
];
const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
];

/// What a user agent stands for, without versions: `Firefox on Linux`. Nothing of it can be mistaken for a link.
pub(in crate::identity) fn family(user_agent: Option<&str>) -> String {
    let agent = user_agent.unwrap_or_default();
    let named =
        |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let own = || {
        let letters = agent.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        Some(letters.take(NAME_CHARS).collect::<String>()).filter(|name| !name.is_empty())
    };
    let browser = named(&BROWSERS).map(str::to_owned).or_else(own).unwrap_or_else(|| "Unknown client".to_owned());
    match named(&SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser,
    }
}

/// An address moves within its neighbourhood without becoming another device.
fn neighbourhood(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !0xff)),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !(u128::MAX >> 48))),
    }
}

impl Identity {
    /// Remembers what `user` signs in from; whether that is new, while others are known.
    pub(super) fn is_new_device(
        &self,
        tx: &Tx<'_>,
        user: Id,
        user_agent: Option<&str>,
        ip: Option<IpAddr>,
        now: Time,
    ) -> Result<bool> {
        let place = ip.map_or_else(|| "local".to_owned(), |ip| neighbourhood(ip).to_string());
        let device = self.fingerprint("device", &format!("{user}:{}:{place}", family(user_agent)));
        let known = count(tx, user)?;
        let sql = "SELECT 1 FROM known_devices WHERE user_id = ?1 AND device = ?2";
        let seen = tx.query_one(sql, params![user, &device], |_| Ok(()))?.is_some();
        tx.execute(
            "INSERT INTO known_devices (user_id, device, last_seen_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (user_id, device) DO UPDATE SET last_seen_at = excluded.last_seen_at",
            params![user, &device, now],
        )?;
        if !seen && known >= REMEMBERED {
            tx.execute(
                "DELETE FROM known_devices WHERE user_id = ?1 AND device IN
                 (SELECT device FROM known_devices WHERE user_id = ?1 ORDER BY last_seen_at, device LIMIT ?2)",
                params![user, known + 1 - REMEMBERED],
            )?;
        }
        Ok(!seen && known > 0)
    }

    /// Tells the user that somebody signed in from a device of theirs that was not seen before.
    pub(super) fn warn_of(&self, tx: &Tx<'_>, user: &users::User, session: Id, requester: &Requester) -> Result<Event> {
        let device = family(requester.user_agent.as_deref());
        let ip = requester.ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_canonical().to_string());
        let letter = self.letter(Template::NewDevice, &user.email).with("device", &device).with("ip", ip);
        self.notify(tx, letter.with("link", self.sessions_url()))?;
        let what = json!({ "user_id": user.id, "device": device });
        Ok(Event::new("session.new_device", "session", session).after(&what))
    }
}

fn count(reader: &Reader<'_>, user: Id) -> Result<i64> {
    let sql = "SELECT count(*) FROM known_devices WHERE user_id = ?1";
    Ok(reader.query_one(sql, params![user], |row| row.get(0))?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_becomes_a_family() {
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            ("curl/8.5.0", "curl"),
            ("okhttp/4.12", "okhttp"),
            ("evil.example/login", "evil"),
            ("<b>", "Unknown client"),
            ("", "Unknown client"),
        ] {
            assert_eq!(family(Some(agent)), expected);
        }
    }

    #[test]
    fn neighbours_share_a_network() {
        let near = |text: &str| neighbourhood(text.parse().unwrap()).to_string();
        assert_eq!(near("::ffff:203.0.113.7"), "203.0.113.0");
        assert_eq!(near("2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
    }
}
