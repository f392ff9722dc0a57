//! What the program prints about itself.

use crate::place::Place;
use std::process::Command;

#[test]
fn completions_complete_in_a_shell() {
    let place = Place::new();
    let said = place.run(&["completions", "bash"]);
    assert_eq!(said.status, Some(0), "{}", said.talk);
    std::fs::write(place.path().join("completions"), &said.out).unwrap();
    let ask = ". ./completions; COMP_WORDS=(portcullis kill-switch ''); COMP_CWORD=2; \
        _portcullis portcullis '' kill-switch; echo \"${COMPREPLY[@]}\"";
    let answer = Command::new("bash").args(["-c", ask]).current_dir(place.path()).output().unwrap();
    let offered = String::from_utf8(answer.stdout).unwrap();
    assert!(offered.contains("enable") && offered.contains("status"), "{offered}");
    for shell in ["zsh", "fish"] {
        assert!(place.run(&["completions", shell]).out.contains("kill-switch"), "{shell}");
    }
    assert_eq!(place.run(&["completions", "cobol"]).status, Some(2));
    assert!(!place.path().join("portcullis-data").exists(), "nothing is made");
}

#[test]
fn the_man_page_tells_of_every_command() {
    let place = Place::new();
    let page = place.run(&["man"]).out;
    assert!(page.contains(".TH portcullis 1"), "{page}");
    for command in ["portcullis serve", "portcullis user create", "portcullis kill-switch enable", "\\-\\-listen"] {
        assert!(page.contains(command), "{command}: {page}");
    }
}
