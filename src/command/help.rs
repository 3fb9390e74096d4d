//! HELP of container commands: what `CLIENT HELP` and the like answer.
//!
//! The rows of the subcommands say everything there is to say, so a container's HELP row is [`ROW`] and no text is
//! written twice. Commands that look at their first argument themselves, such as DEBUG, list their lines with [`lines`].

use super::{Call, Command, Flags, Outcome, syntax};

/// The row of a HELP subcommand, but for its group, categories and version.
pub const ROW: Command = Command {
    name: "help",
    run: help,
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "5.0.0",
    summary: "Lists the subcommands and what each does.",
    ..Command::DEFAULT
};

/// How a subcommand is called, and what it does in one sentence.
pub type Line<'a> = (&'a str, &'a str);

/// Answers with the container's rows.
fn help(call: &mut Call<'_>) -> Outcome {
    let container = call
        .instance
        .commands
        .find(call.arg(0))
        .unwrap_or(call.command);
    let rows = container
        .subcommands
        .iter()
        .map(|entry| entry.row)
        .filter(|row| row.name != ROW.name);
    let usages: Vec<String> = rows
        .clone()
        .map(|row| {
            format!(
                "{} {}",
                row.name.to_ascii_uppercase(),
                syntax::plain(row.syntax)
            )
            .trim_end()
            .to_owned()
        })
        .collect();
    let lines: Vec<Line<'_>> = usages
        .iter()
        .map(String::as_str)
        .zip(rows.map(|row| row.summary))
        .collect();
    self::lines(call, &lines)
}

/// Answers with these lines, between the first and the last that every HELP has.
pub fn lines(call: &mut Call<'_>, lines: &[Line<'_>]) -> Outcome {
    let name = call.arg(0).to_ascii_uppercase();
    let name = String::from_utf8_lossy(&name);
    let reply = &mut call.reply;
    reply.array(1 + 2 * (lines.len() + 1));
    reply.simple(&format!(
        "{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    ));
    for (usage, sentence) in lines.iter().chain(&[("HELP", "Print this help.")]) {
        reply.simple(usage);
        reply.simple(&format!("    {sentence}"));
    }
    Ok(())
}
