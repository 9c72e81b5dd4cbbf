//! A certificate that a key makes for itself. Some servers take keys in no other form.

/// An X.509 certificate of this public key, for all of its life.
///
/// `algorithm` is the signature's identifier and `sign` its maker, both in DER.
pub(super) fn self_signed(public_key: &[u8], algorithm: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 4, 3];
    let attribute = sequence(&[COMMON_NAME, &element(UTF8_STRING, &[b"issuer"])]);
    let name = sequence(&[&element(SET, &[&attribute])]);
    let validity = sequence(&[&element(UTC_TIME, &[b"200101000000Z"]), &element(UTC_TIME, &[b"491231235959Z"])]);
    let serial = integer(&public_key[public_key.len() - 8..]);
    let body = sequence(&[&serial, algorithm, &name, &validity, &name, public_key]);
    let signature = sign(&body);
    sequence(&[&body, algorithm, &element(BIT_STRING, &[&[0], &signature])])
}

/// A signature by an elliptic curve, from its two halves side by side.
pub(super) fn ecdsa_signature(halves: &[u8]) -> Vec<u8> {
    let (r, s) = halves.split_at(halves.len() / 2);
    sequence(&[&integer(r), &integer(s)])
}

/// `sha256WithRSAEncryption`.
pub(super) const RSA_SHA256: &[u8] =
    &[0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0];
/// `ecdsa-with-SHA256`.
pub(super) const ECDSA_SHA256: &[u8] = &[0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, parts)
}

/// Not negative, whatever its first bit.
fn integer(big_endian: &[u8]) -> Vec<u8> {
    let zeros = big_endian.iter().take_while(|&&byte| byte == 0).count();
    let digits = &big_endian[zeros..];
    let sign: &[u8] = if digits.first().is_some_and(|&first| first < 0x80) { &[] } else { &[0] };
    element(INTEGER, &[sign, digits])
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..0x80 => out.push(length as u8),
        0x80..0x100 => out.extend([0x81, length as u8]),
        // Longer than 64 KiB is no certificate.
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend(content);
    out
}
