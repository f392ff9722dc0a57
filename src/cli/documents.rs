//! What tells of the commands, made from the commands: completions, the man page, the documentation.

use super::{CommandLine, Exit, print};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::{Man, roff};
use std::{fmt::Write as _, io};

#[derive(Args)]
pub struct Completions {
    /// The shell that completes.
    #[arg(value_enum)]
    shell: Shell,
}

const NAME: &str = "portcullis";

impl Completions {
    pub fn run(&self) -> u8 {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut CommandLine::command(), NAME, &mut script);
        print(&String::from_utf8_lossy(&script));
        Exit::Done.status()
    }
}

#[derive(Args)]
pub struct Manual {
    /// As Markdown instead.
    #[arg(long)]
    markdown: bool,
}

impl Manual {
    /// One page for all commands.
    pub fn run(&self) -> u8 {
        if self.markdown {
            print(&markdown());
            return Exit::Done.status();
        }
        let mut page = Vec::new();
        if write_man(&mut page).is_err() {
            return Exit::Refused.status();
        }
        print(&String::from_utf8_lossy(&page));
        Exit::Done.status()
    }
}

fn write_man(page: &mut Vec<u8>) -> io::Result<()> {
    let command = whole();
    Man::new(command.clone()).render(page)?;
    let mut commands = roff::Roff::new();
    commands.control("SH", ["COMMANDS"]);
    walk(&command, NAME, &mut |path, command| {
        commands.control("SS", [path]);
        commands.text([roff::roman(about(command))]);
        for (name, help) in arguments(command) {
            commands.control("TP", []);
            commands.text([roff::bold(name)]);
            commands.text([roff::roman(help)]);
        }
    });
    commands.to_writer(page)
}

/// The documentation of all commands.
fn markdown() -> String {
    let mut text = String::from(
        "# Commands\n\nStandard output is for scripts, standard error for people. The exit status is 0 when all is well, \
        1 when a check failed or something was refused, 2 for wrong usage or configuration. Beside a running server \
        commands on live state run inside it. `--config FILE` and `--data-dir FOLDER` go with every command. \
        `portcullis completions bash` (or zsh, fish, elvish, powershell) prints completions, `portcullis man` the man \
        page.\n",
    );
    walk(&whole(), NAME, &mut |path, command| {
        let _ = write!(text, "\n## {path}\n\n{}\n", about(command));
        let arguments = arguments(command);
        if !arguments.is_empty() {
            text.push_str("\n| | |\n| --- | --- |\n");
        }
        for (name, help) in arguments {
            let _ = writeln!(text, "| `{}` | {} |", name.replace('|', "\\|"), help.replace('|', "\\|"));
        }
    });
    text
}

/// With what clap adds to it.
fn whole() -> Command {
    let mut command = CommandLine::command();
    command.build();
    command
}

/// Every command that does something, in the order of the help.
fn walk(command: &Command, path: &str, tell: &mut impl FnMut(&str, &Command)) {
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let path = format!("{path} {}", command.get_name());
        if command.has_subcommands() {
            walk(command, &path, tell);
        } else {
            tell(&path, command);
        }
    }
}

fn about(command: &Command) -> String {
    command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default()
}

/// How each is written, and what it does; without those that go with every command.
fn arguments(command: &Command) -> Vec<(String, String)> {
    let own = command.get_arguments().filter(|argument| !argument.is_global_set() && argument.get_id() != "help");
    own.map(|argument| {
        let value = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        let value = value.unwrap_or_else(|| argument.get_id().as_str().to_uppercase());
        let takes = argument.get_action().takes_values();
        let name = match argument.get_long() {
            Some(long) if takes => format!("--{long} {value}"),
            Some(long) => format!("--{long}"),
            None if argument.is_required_set() => value,
            None => format!("[{value}]"),
        };
        let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let known = argument.get_possible_values();
        if takes && !known.is_empty() {
            let known: Vec<_> = known.iter().map(|value| value.get_name().to_owned()).collect();
            let _ = write!(help, " One of {}.", known.join(", "));
        }
        (name, help.trim().to_owned())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn the_documents_of_the_commands_are_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            fs::write(&path, markdown()).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == markdown(), "docs/cli.md is out of date; run this test with UPDATE_DOCUMENTS=1");
    }
}
