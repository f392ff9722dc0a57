//! Webhooks: made, tried out, sent again, rotated, switched off, removed.

use crate::{receiver::Receiver, site::Site};

fn shown_once(browser: &crate::browser::Browser) -> String {
    let shown = browser.script("return document.querySelector('dialog[open] .notice code').innerText", Vec::new());
    browser.press("Done");
    shown.as_str().expect("a secret").trim().to_owned()
}

#[test]
fn a_webhook_is_made_tried_out_and_removed() {
    let receiver = Receiver::start();
    let site = Site::with(&[("PORTCULLIS_OUTBOUND__ALLOW", &receiver.allowed())]);
    let browser = site.console();
    browser.press("Webhooks");
    browser.shows("No webhooks yet");
    browser.press("New webhook");
    browser.fill("Name", "Chat");
    browser.fill("Address to call", "http://169.254.169.254/latest/");
    browser.fill("Single actions", "user.created, nonsense");
    browser.press("Create the webhook");
    browser.shows("is not an action such as");
    browser.fill("Single actions", "user.created, entity.deleted");
    browser.press("Create the webhook");
    browser.shows("is a link-local address");
    browser.fill("Address to call", &receiver.url("/hook"));
    browser.fill("Only of these", "user, webhook");
    browser.press("Create the webhook");
    browser.shows("It is not shown again");
    let secret = shown_once(&browser);
    assert!(secret.starts_with("whsec_"), "{secret}");
    browser.shows("Chat");
    browser.press("Chat");
    browser.shows("Nothing was sent yet");
    browser.shows("user, webhook");
    receiver.answer("410 Gone");
    browser.press("Send a test");
    browser.shows("It answered 410 Gone");
    assert_eq!(receiver.wait_for(1).len(), 1);
    browser.visit("/console/webhooks");
    browser.shows("Switched off by itself");
    browser.press("Chat");
    browser.shows("whoever was called wants no more");
    browser.press("Switch on");
    browser.shows("Chat is on.");
    browser.press("Send again: Webhook test");
    browser.shows("Answered 204");
    let calls = receiver.wait_for(2);
    assert_eq!(calls[0].headers["webhook-id"], calls[1].headers["webhook-id"]);
    site.user("grace@example.org", "Grace Hopper", "viewer");
    receiver.wait_for(3);
    browser.visit("/console/webhooks");
    browser.press("Chat");
    browser.shows("User created");
    browser.press("Rotate");
    browser.press("Rotate secret");
    browser.shows("It is not shown again");
    assert_ne!(shown_once(&browser), secret);
    browser.press("Chat");
    browser.shows("Calls carry both signatures");
    browser.press("Remove");
    browser.press("Remove webhook");
    browser.shows("Chat was removed.");
    browser.shows("No webhooks yet");
    browser.visit("/console/audit");
    browser.shows("deleted webhook Chat");
}

#[test]
fn whoever_may_not_read_webhooks_does_not_see_the_page() {
    let site = Site::new();
    site.user("grace@example.org", "Grace Hopper", "viewer");
    let browser = site.console_of("grace@example.org");
    assert!(!browser.text().contains("Webhooks"));
}
