//! Finds the code of an error in CBOR (RFC 8949). The SDK's own reader would add libraries for big numbers.

/// The text of `__type` in a map: Smithy's RPC v2 has the code of an error there.
pub(super) fn error_type(body: &[u8]) -> Option<&str> {
    let mut rest = Rest(body);
    let (MAP, mut left) = rest.head()? else { return None };
    while rest.has_more(&mut left) {
        let (key, value) = (rest.item(DEPTH)?, rest.item(DEPTH)?);
        if key == Some("__type") {
            return value;
        }
    }
    None
}

/// The bytes that are not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Major type and argument of the next item. An item of indefinite length and a break have no argument.
    fn head(&mut self) -> Option<(u8, Option<u64>)> {
        let first = *self.take(1)?.first()?;
        let argument = match first & 31 {
            value @ 0..=23 => Some(u64::from(value)),
            size @ 24..=27 => {
                let bytes = self.take(1 << (size - 24))?;
                Some(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
            }
            31 => None,
            _ => return None,
        };
        Some((first >> 5, argument))
    }

    /// Skips one item. Returns its text, if it is text in one piece.
    fn item(&mut self, depth: u8) -> Option<Option<&'a str>> {
        match self.head()? {
            (UNSIGNED | NEGATIVE | SIMPLE, Some(_)) => {}
            (BYTES, Some(length)) => drop(self.take(length)?),
            (TEXT, Some(length)) => return Some(std::str::from_utf8(self.take(length)?).ok()),
            (TAG, Some(_)) => return self.item(depth.checked_sub(1)?),
            (major @ (BYTES | TEXT | ARRAY | MAP), count) => {
                let items_each = if major == MAP { 2 } else { 1 };
                let mut left = count.map(|count| count.saturating_mul(items_each));
                while self.has_more(&mut left) {
                    self.item(depth.checked_sub(1)?)?;
                }
            }
            _ => return None,
        }
        Some(None)
    }

    /// True if a collection has another element. `left`: number of elements, or `None` up to a break.
    fn has_more(&mut self, left: &mut Option<u64>) -> bool {
        match (left, self.0) {
            (Some(left), _) => {
                let more = *left > 0;
                *left = left.saturating_sub(1);
                more
            }
            (None, [BREAK, rest @ ..]) => {
                self.0 = rest;
                false
            }
            (None, _) => true,
        }
    }

    fn take(&mut self, length: impl TryInto<usize>) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length.try_into().ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;
const BREAK: u8 = 0xff;
/// Errors of services are flat. A body that nests deeper is no error.
const DEPTH: u8 = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&[0x78, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    }

    #[test]
    fn code_is_found_behind_any_member() {
        let code = text("aws.protocoltests#ExpiredToken");
        let members: [&[u8]; 12] = [
            &[0x00],
            &[0x1b, 0, 0, 1, 0x8b, 0, 0, 0, 0],
            &[0x38, 0x63],
            &[0x43, 1, 2, 3],
            &[0x63, b'a', b'b', b'c'],
            &[0x7f, 0x61, b'a', 0x61, b'b', 0xff],
            &[0x82, 0x01, 0x81, 0x02],
            &[0x9f, 0x01, 0x02, 0xff],
            &[0xa1, 0x61, b'a', 0x01],
            &[0xbf, 0x61, b'a', 0xf6, 0xff],
            &[0xc1, 0xfb, 0x41, 0xd4, 0x52, 0xd9, 0xec, 0x20, 0, 0],
            &[0xf9, 0x3c, 0x00],
        ];
        for member in members {
            let pairs = [&text("Message")[..], member, &text("__type"), &code].concat();
            for body in [[&[0xa2], &pairs[..]].concat(), [&[0xbf], &pairs[..], &[0xff]].concat()] {
                assert_eq!(error_type(&body), Some("aws.protocoltests#ExpiredToken"), "{body:x?}");
                for end in 0..body.len() - 1 {
                    let whole = end >= body.len() - usize::from(body[0] == 0xbf);
                    assert!(whole || error_type(&body[..end]).is_none(), "{:x?}", &body[..end]);
                }
            }
        }
    }

    #[test]
    fn other_bodies_have_no_code() {
        let nested = [vec![0xa1], vec![0x81; 100_000]].concat();
        let endless = [0xa1, 0x61, b'a', 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let bodies: [&[u8]; 8] = [
            b"",
            b"{}",
            &[0xa0],
            &[0xbf, 0xff],
            &[0x80],
            &nested,
            &endless,
            &[0xa1, 0x66, b'_', b'_', b't', b'y', b'p', b'e', 1],
        ];
        for body in bodies {
            assert_eq!(error_type(body), None, "{:x?}", &body[..body.len().min(16)]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body: Vec<u8>) {
            error_type(&[&[0xbf], &body[..]].concat());
        }
    }
}
