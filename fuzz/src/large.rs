//! Inputs of a quarter of a megabyte: what takes time by the square of its length, or stack by its
//! depth, does not end on these.

const BYTES: usize = 256 << 10;

/// Single pieces that parsers nest, list, continue or look for.
const PIECES: [&str; 30] = [
    "a", "1", " ", "\n", "\r\n", "\\", "\"", "'", "(", ")", "[", "{", "{a,", "[[", "[a]\n", "a.",
    "a=", "a={", "a=[", "a=1\n", "#", "/", "*", "*a", "/*", "**/", "$", ":", "-l", "\0",
];

pub fn inputs(seeds: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    let pieces = PIECES.iter().map(|piece| piece.as_bytes());
    let repeated = pieces.chain(seeds.iter().map(Vec::as_slice)).filter(|piece| !piece.is_empty());
    // What is closed again nests, where what is left open is an error at once.
    let nested = [(b"[", b"]"), (b"{", b"}"), (b"(", b")")];
    let nested =
        nested.map(|(open, close)| [open.repeat(BYTES / 2), close.repeat(BYTES / 2)].concat());
    repeated.map(|piece| piece.repeat(BYTES.div_ceil(piece.len()))).chain(nested)
}
