//! Which command a request names, and what is answered if that is none.

use super::error::{Error, until_zero};
use super::registry::Entry;
use crate::protocol::Request;

/// The command or subcommand that a request names, which begins with the name of `found`.
///
/// # Errors
/// When there is no such command, or it takes another number of arguments: then the command, too.
pub fn named<'e>(
    found: Option<&'e Entry>,
    request: Request<'_>,
) -> Result<&'e Entry, (Error, Option<&'e Entry>)> {
    let mut entry = found.ok_or_else(|| (unknown_command(request), None))?;
    if !entry.subcommands.is_empty() && request.len() > 1 {
        let subcommand = entry.subcommand(request.arg(1));
        entry = subcommand.ok_or_else(|| (unknown_subcommand(entry, request), None))?;
    }
    if !entry.row.accepts(request.len()) {
        return Err((Error::Arity(entry.full_name.clone()), Some(entry)));
    }
    Ok(entry)
}

/// How much of an unknown command and of its arguments an error repeats, in bytes.
const REPEATED: usize = 128;

fn shown(bytes: &[u8], limit: usize) -> &[u8] {
    &bytes[..bytes.len().min(limit)]
}

#[cold]
fn unknown_command(request: Request<'_>) -> Error {
    let mut arguments = Vec::new();
    for argument in request.iter().skip(1) {
        if arguments.len() >= REPEATED {
            break;
        }
        let word = shown(argument, REPEATED - arguments.len());
        arguments.extend_from_slice(&[b"'", until_zero(word), b"' "].concat());
    }
    let name = until_zero(shown(request.arg(0), REPEATED));
    let beginning = b"', with args beginning with: ";
    Error::Quoting([b"ERR unknown command '", name, beginning, &arguments].concat())
}

#[cold]
fn unknown_subcommand(container: &Entry, request: Request<'_>) -> Error {
    let word = shown(request.arg(1), REPEATED);
    let advice = format!("'. Try {} HELP.", container.row.name.to_ascii_uppercase());
    Error::quoting("ERR unknown subcommand '", word, &advice)
}
