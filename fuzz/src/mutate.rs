//! Random changes of seeds, which shrink by leaving changes out. Random bytes alone would not get
//! past the first word of most parsers.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// What parsers of text look for, and numbers beyond what they can hold.
const PIECES: [&[u8]; 44] = [
    b"0",
    b"1",
    b"-1",
    b"18446744073709551615",
    b"18446744073709551616",
    b"4294967296",
    b"-9223372036854775808",
    b"1e999",
    b"0x",
    b"nan",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\\",
    b"\\\n",
    b"\"",
    b"'",
    b"\"\"\"",
    b"(",
    b")",
    b"[",
    b"]",
    b"[[",
    b"{",
    b"}",
    b",",
    b".",
    b":",
    b"=",
    b"#",
    b"/",
    b"..",
    b"*",
    b"**",
    b"?",
    b"!",
    b"$",
    b"%",
    b"-",
    b"\0",
    b"\xff",
    b"\xe2\x82",
    b"\x1b[31m",
];

#[derive(Clone, Debug)]
enum Change {
    Remove {
        at: Index,
        length: usize,
    },
    Insert {
        at: Index,
        piece: Vec<u8>,
    },
    Overwrite {
        at: Index,
        byte: u8,
    },
    Repeat {
        at: Index,
        length: usize,
        times: usize,
    },
    /// A stretch of another seed.
    Splice {
        at: Index,
        seed: Index,
        from: Index,
        length: usize,
    },
    Cut {
        at: Index,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    let piece = proptest::sample::select(PIECES.map(<[u8]>::to_vec).to_vec());
    prop_oneof![
        (at(), 1usize..64).prop_map(|(at, length)| Change::Remove { at, length }),
        (at(), piece).prop_map(|(at, piece)| Change::Insert { at, piece }),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Overwrite { at, byte }),
        (at(), 1usize..32, 1usize..64).prop_map(|(at, length, times)| Change::Repeat {
            at,
            length,
            times
        }),
        (at(), at(), at(), 1usize..256).prop_map(|(at, seed, from, length)| Change::Splice {
            at,
            seed,
            from,
            length
        }),
        at().prop_map(|at| Change::Cut { at }),
    ]
}

pub fn inputs(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), vec(change(), 1..8)).prop_map(move |(seed, changes)| {
        let mut input = seed.get(&seeds).clone();
        for change in changes {
            apply(&mut input, change, &seeds);
        }
        input
    })
}

fn apply(input: &mut Vec<u8>, change: Change, seeds: &[Vec<u8>]) {
    // The end is a place too.
    let place = |at: Index, bytes: &[u8]| at.index(bytes.len() + 1);
    let stretch =
        |start: usize, length: usize, bytes: &[u8]| start..(start + length).min(bytes.len());
    match change {
        Change::Remove { at, length } => {
            let start = place(at, input);
            drop(input.drain(stretch(start, length, input)));
        }
        Change::Insert { at, piece } => {
            let at = place(at, input);
            drop(input.splice(at..at, piece));
        }
        Change::Overwrite { at, byte } => {
            if !input.is_empty() {
                let at = at.index(input.len());
                input[at] = byte;
            }
        }
        Change::Repeat { at, length, times } => {
            let start = place(at, input);
            let piece = input[stretch(start, length, input)].repeat(times);
            drop(input.splice(start..start, piece));
        }
        Change::Splice { at, seed, from, length } => {
            let other = seed.get(seeds);
            let piece = &other[stretch(place(from, other), length, other)];
            let at = place(at, input);
            drop(input.splice(at..at, piece.iter().copied()));
        }
        Change::Cut { at } => input.truncate(place(at, input)),
    }
}
