//! Reading a list: LLEN, LINDEX, LRANGE, LPOS.

use super::ROW;
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::types::index;
use crate::types::list::List;
use crate::types::string::Wanted;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "llen",
        run: llen,
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO)],
        summary: "Answers how many elements a list has.",
        syntax: "key",
        ..ROW
    },
    Command {
        name: "lindex",
        run: lindex,
        arity: 3,
        summary: "Answers the element of a list at an index.",
        complexity: "O(1) at either end; elsewhere O(N) with a small factor in the distance to the nearer end",
        syntax: "key index",
        ..READER
    },
    Command {
        name: "lrange",
        run: lrange,
        arity: 4,
        summary: "Answers the elements of a list from one index to another.",
        complexity: "O(S+N) where S is the distance of the first element to the nearer end, with a small factor, and N the number of elements",
        syntax: "key start stop",
        ..READER
    },
    Command {
        name: "lpos",
        run: lpos,
        arity: -3,
        since: "6.0.6",
        summary: "Answers the index of an element in a list, or the indexes of several equal ones.",
        complexity: "O(N) in the number of elements looked at",
        syntax: "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
        ..READER
    },
];

const READER: Command = Command {
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    ..ROW
};

fn llen(call: &mut Call<'_>) -> Outcome {
    let list = call.db.collection::<List>(call.key(1))?;
    call.reply.count(list.map_or(0, |list| list.len()));
    Ok(())
}

fn lindex(call: &mut Call<'_>) -> Outcome {
    let at = call.int(2);
    let Some(list) = call.db.collection::<List>(call.key(1))? else {
        call.reply.null();
        return Ok(());
    };
    match index::place(at?, list.len()).and_then(|place| list.iter_from(place).next()) {
        Some(element) => element.as_ref().answer(&mut call.reply),
        None => call.reply.null(),
    }
    Ok(())
}

fn lrange(call: &mut Call<'_>) -> Outcome {
    let (start, stop) = (call.int(2)?, call.int(3)?);
    let Some(list) = call.db.collection::<List>(call.key(1))? else {
        call.reply.empty_array();
        return Ok(());
    };
    let range = index::range(start, stop, list.len());
    call.reply.array(range.len());
    let elements = list.iter_from(range.start).take(range.len());
    elements.for_each(|element| element.as_ref().answer(&mut call.reply));
    Ok(())
}

/// The options of LPOS.
struct Search {
    /// Equal elements to pass over.
    skip: u64,
    /// Whether to search from the end.
    backwards: bool,
    /// How many places to answer, 0 for all; `None` for one that is not in an array.
    count: Option<usize>,
    /// How many elements to look at.
    most: usize,
}

impl Search {
    fn parse(call: &Call<'_>) -> Result<Search, Error> {
        let mut search = Search {
            skip: 0,
            backwards: false,
            count: None,
            most: usize::MAX,
        };
        for option in (3..call.len()).step_by(2) {
            let value = option + 1;
            if value == call.len() {
                return Err(Error::Syntax);
            }
            if call.is(option, "RANK") {
                let rank = rank(call, value)?;
                search.skip = rank.unsigned_abs() - 1;
                search.backwards = rank < 0;
            } else if call.is(option, "COUNT") {
                let negative = Error::text("ERR COUNT can't be negative");
                search.count = Some(call.count(value).map_err(|_| negative)?);
            } else if call.is(option, "MAXLEN") {
                let negative = Error::text("ERR MAXLEN can't be negative");
                search.most = match call.count(value).map_err(|_| negative)? {
                    0 => usize::MAX,
                    most => most,
                };
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(search)
    }
}

fn rank(call: &Call<'_>, place: usize) -> Result<i64, Error> {
    match call.int(place)? {
        0 => Err(Error::text(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start \
             from the end of the list",
        )),
        i64::MIN => Err(Error::text(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        rank => Ok(rank),
    }
}

fn lpos(call: &mut Call<'_>) -> Outcome {
    let search = Search::parse(call)?;
    let wanted = Wanted::new(call.arg(2));
    let list = call.db.collection::<List>(call.key(1))?;
    let mut skip = search.skip;
    let mut places = list.into_iter().flat_map(|list| {
        let mut elements = list.iter();
        let last = list.len() - 1;
        (0..search.most).map_while(move |step| {
            let (place, element) = if search.backwards {
                (last.wrapping_sub(step), elements.next_back())
            } else {
                (step, elements.next())
            };
            element.map(|element| (place, wanted.is(element.as_ref())))
        })
    });
    let mut places = std::iter::from_fn(|| {
        places.by_ref().find_map(|(place, equal)| {
            let passed_over = equal && skip > 0;
            skip -= u64::from(passed_over);
            (equal && !passed_over).then_some(place)
        })
    });
    match search.count {
        None => match places.next() {
            Some(place) => call.reply.count(place),
            None => call.reply.null(),
        },
        Some(count) => {
            let most = if count == 0 { usize::MAX } else { count };
            let begin = call.reply.deferred();
            let mut found = 0;
            for place in places.take(most) {
                call.reply.count(place);
                found += 1;
            }
            call.reply.end_array(begin, found);
        }
    }
    Ok(())
}
