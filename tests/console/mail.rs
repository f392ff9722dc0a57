//! A forgotten password, from the sign-in page to a new one; a test of mail; a device that was not seen before.

use crate::{
    sink::Sink,
    site::{Site, sign_in},
    support::EMAIL,
};

const NEW: &str = "nine copper weathervanes";

fn with_mail(sink: &Sink) -> Site {
    Site::with(&[
        ("PORTCULLIS_MAIL__SMTP_URL", &format!("smtp://127.0.0.1:{}", sink.port)),
        ("PORTCULLIS_MAIL__FROM", "The Gate <gate@example.org>"),
        ("PORTCULLIS_OUTBOUND__ALLOW", "127.0.0.1"),
    ])
}

#[test]
fn a_forgotten_password_is_chosen_anew() {
    let sink = Sink::new();
    let site = with_mail(&sink);
    let browser = site.browser();
    browser.visit("/console/sign-in");
    browser.press("Forgot password?");
    browser.arrives_at("/console/forgot-password");
    browser.shows("You get a link by mail");
    browser.fill("Email", EMAIL);
    browser.press("Send me a link");
    browser.shows("Look into your mail");
    browser.visit(&format!("/console/set-password#token={}", sink.next().token()));
    browser.fill("Password", NEW);
    browser.press("Set the password");
    browser.shows("Your password is set.");
    assert_eq!(sink.next().header("Subject"), "Your password was changed");
    browser.press("Sign in");
    browser.arrives_at("/console/sign-in");
    sign_in(&browser, EMAIL, NEW);
    browser.arrives_at("/console/");
    // The set-up signed in by a program, this is a browser.
    assert_eq!(sink.next().header("Subject"), "A new device signed in");
    browser.visit("/console/sessions");
    browser.shows("New device");
    browser.visit("/console/account");
    browser.shows("The Gate <gate@example.org>");
    browser.press("Send a test");
    browser.shows("The mail server took a test mail");
    assert_eq!(sink.next().header("Subject"), "Mail from Portcullis works");
}
