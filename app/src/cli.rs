//! The command line. Arguments are turned into typed configurations here; nothing deeper sees a flag.

pub mod launch;
pub mod options;
pub mod run;
pub mod state;
pub mod status;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use options::Options;

#[derive(Parser)]
#[command(name = "scope", version, about = "The live map of what runs on your container hosts, and what talks to what")]
#[command(after_help = "Examples:
  scope launch                    start app and probe on this host; open http://<this host>:4040/
  scope launch 10.0.0.11          report to that host's app too
  scope launch --probe-only app   only report, to app:4040
  scope status                    what every probe sees, or why it sees nothing
  scope stop")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start app and probe on this host, in the background
    Launch {
        #[command(flatten)]
        options: Box<Options>,
        /// Stay in the foreground and log to the terminal
        #[arg(long, env = "SCOPE_FOREGROUND", value_parser = clap::builder::FalseyValueParser::new())]
        foreground: bool,
        /// Only the probe: report to the peers, serve nothing
        #[arg(long, visible_alias = "no-app", env = "SCOPE_PROBE_ONLY", value_parser = clap::builder::FalseyValueParser::new())]
        probe_only: bool,
        /// Only the app: wait for the probes of other hosts
        #[arg(long, visible_alias = "no-probe", env = "SCOPE_APP_ONLY", value_parser = clap::builder::FalseyValueParser::new())]
        app_only: bool,
    },
    /// Stop what `launch` started
    Stop,
    /// Show the app, its probes, and what each collector sees
    Status {
        /// The app to ask; the one that runs here unless said
        #[arg(long, value_name = "HOST[:PORT]")]
        app: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the log of what `launch` started
    Logs {
        /// Go on as it grows
        #[arg(short, long)]
        follow: bool,
    },
    /// Run the app alone, in the foreground
    App {
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Run the probe alone, in the foreground
    Probe {
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Print the version
    Version,
    /// Print a completion script: scope completions bash > /etc/bash_completion.d/scope
    Completions { shell: clap_complete::Shell },
}

pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "scope: {}", in_a_line(&error.render().to_string()));
            return ExitCode::from(2);
        }
    };
    let result = match arguments.command {
        Command::Launch { probe_only: true, app_only: true, .. } => {
            Err(anyhow::anyhow!("--probe-only and --app-only leave nothing to start: give one of them"))
        }
        Command::Launch { options, foreground, probe_only, app_only } => {
            let parts = run::Parts { app: !probe_only, probe: !app_only };
            if foreground { run::foreground(&options, parts) } else { launch::detached(&options, parts) }
        }
        Command::App { options } => run::foreground(&options, run::Parts { app: true, probe: false }),
        Command::Probe { options } => run::foreground(&options, run::Parts { app: false, probe: true }),
        Command::Stop => launch::stop(),
        Command::Status { app, json } => status::print(app.as_deref(), json),
        Command::Logs { follow } => launch::logs(follow),
        Command::Version => {
            say(format_args!("scope {}", crate::VERSION));
            Ok(())
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "scope", &mut script);
            let _ = std::io::stdout().write_all(&script);
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "scope: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is wrong with the arguments, and where to read on: what the parser says, in the form of all other errors.
fn in_a_line(said: &str) -> String {
    let told =
        said.split("\n\n").filter(|part| !part.starts_with("Usage:") && !part.starts_with("For more information"));
    let told = told.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let told = told.collect::<Vec<_>>().join("; ");
    let usage = said.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or("scope");
    let command = usage.split_whitespace().take_while(|word| !word.starts_with(['[', '<', '-']));
    let command = command.collect::<Vec<_>>().join(" ");
    format!("{}; see '{command} --help'", told.trim_start_matches("error: "))
}

/// A line for whoever called. Where nobody reads it any more (`scope status | head`) there is nothing to say.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_arguments_is_one_line_that_says_where_to_read_on() {
        let check = |arguments: &[&str], expect: &[&str]| {
            let said = in_a_line(&Arguments::try_parse_from(arguments).err().unwrap().render().to_string());
            assert!(!said.contains('\n'), "{said}");
            assert!(expect.iter().all(|part| said.contains(part)), "{said}");
        };
        check(&["scope", "launch", "--nonsense"], &["unexpected argument '--nonsense'", "see 'scope launch --help'"]);
        check(&["scope", "launch", "--no-dokcer"], &["'--no-docker'", "see 'scope launch --help'"]);
        check(&["scope", "launch", "--window", "5"], &["'5' is no length of time", "--help'"]);
        check(&["scope", "completions"], &["<SHELL>", "see 'scope completions --help'"]);
        check(&["scope", "lunch"], &["unrecognized subcommand 'lunch'", "see 'scope --help'"]);
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
