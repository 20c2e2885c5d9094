use super::*;
use crate::stages::exposure::detectors::{ALL, TABLE};
use proptest::prelude::*;

/// The first bytes of all finds, for each detector: at the beginning of words, and anywhere.
const FIRST: [(&[u8], &[u8]); 13] = [
    (b"", b"-"),
    (b"ASghxrsndoy", b":"),
    (b"earis", b""),
    (b"p", b"${"),
    (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b""),
    (b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", b""),
    (b"23456", b""),
    (b"23456789", b"+("),
    (b"", b"@"),
    (b"atTFgESWYAHp", b"#"),
    (b"YOSPUIscoMEqmjMTnpdu", b""),
    (b"1", b"."),
    (b"_", b""),
];

/// What is found by looking wherever a find may begin with the first byte.
fn plainly<R: Ord + Copy>(bytes: &[u8], ask: impl Fn(usize) -> Option<Asked<R>>) -> Vec<Match> {
    let mut workers = TABLE.workers(&ask);
    let plain = unescaped(bytes);
    let (text, mut found) = (Text(&plain), Vec::new());
    for (at, byte) in plain.iter().enumerate() {
        let begins = |(words, anywhere): &(&[u8], &[u8])| {
            anywhere.contains(byte) || (words.contains(byte) && text.begins_word(at))
        };
        let who = FIRST.iter().enumerate().filter(|(index, first)| ask(*index).is_some() && begins(first));
        TABLE.look(text, at, bits(who.map(|(index, _)| index)), &mut workers, &mut found);
    }
    escapes::locate(bytes, found.iter_mut().flat_map(|found| [&mut found.range.start, &mut found.range.end]));
    found
}

/// Finds of all kinds, and what stands beside them.
const PIECES: &[&str] = &[
    "4111111111111111",
    "4111 1111 1111 1111",
    "3782-822463-10005",
    "4.111111111111111e15",
    "4111111111111111.0",
    "GB33BUKB20201555555555",
    "DE89 3704 0044 0532 0130 00",
    "078-05-1120",
    "AB123456C",
    "AB 12 34 56 C",
    "12345678Z",
    "X1234567L",
    "111.444.777-35",
    "756.9217.0769.85",
    "RSSMRA85T10A562S",
    "255081416802538",
    "+49 30 901820",
    "(212) 555-0123",
    "212-555-0123",
    "ada@example.com",
    "a@b.co",
    "-----BEGIN RSA PRIVATE KEY-----",
    "MIIEpAIBAAKCAQEAwJ0n0aWnb2ZmZmZmZmZmZmZm",
    "AKIAIOSFODNN7EXAMPLF",
    "SG.aaaabbbbccccddddeeeeff.0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "postgres://ada:secret1@db",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2lnbmF0dXJl",
    "\"access_token\":\"0123456789abcdefgh\"",
    "\"aPI-Key\" : \"0123456789abcdefgh\"",
    "\"password_hash\":\"5f4dcc3b5aa765d61d8327deb882cf99\"",
    "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
    "{SSHA}0123456789abcdefghijklmnopqrstuvwxyz",
    "pbkdf2_sha1$0123456789abcdefghijklmnopqrstuvwxyz",
    "at com.shop.Order.load(Order.java:12)",
    "File \"/srv/app.py\", line 12",
    "#0 /srv/app.php(12): load()",
    "goroutine 1 [running]:",
    "Traceback (most recent call last)",
    "SQLSTATE[42000]",
    "ORA-00933: ended",
    "syntax error at or near \"a\"",
    "10.0.0.1",
    "192.168.1.20",
    "172.16.0.1",
    "db-1.internal",
    "a.svc.cluster.local",
    "\"__schema\":{",
    "\"__type\" : {",
    "\\n",
    "\\u00b0",
    "\\u5361",
    "\\/",
    "\\u0034",
    "\\\"",
    "卡",
    "é",
    "–",
    "\"",
    "\":\"",
    "\",\"",
    " ",
    "\n",
    "-",
    ".",
    "a",
    "1",
    "(",
    "@",
];

fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec());
    let cut = (proptest::sample::select(PIECES), 0..8_usize)
        .prop_map(|(piece, length)| piece.as_bytes().iter().copied().take(length).collect());
    let other = proptest::collection::vec(any::<u8>(), 0..3);
    proptest::collection::vec(prop_oneof![4 => piece, 1 => cut, 1 => other], 0..24)
        .prop_map(|pieces: Vec<Vec<u8>>| pieces.concat())
}

#[test]
fn every_opening_has_a_bit() {
    let own = |index: usize| TABLE.openings.those(|owner| owner == index);
    let count: u32 = (0..ALL.len()).map(|index| own(index).count_ones()).sum();
    assert_eq!(Some(count), u32::try_from(TABLE.openings.count()).ok());
    assert!((0..ALL.len()).all(|index| own(index) != 0) && count <= u64::BITS, "{count}");
}

#[test]
fn every_piece_that_is_a_find_is_found_wherever_it_stands() {
    let all = |index: usize| Some(Asked { rank: 0, at_least: ALL[index].at_least });
    let kinds: std::collections::BTreeSet<usize> = PIECES
        .iter()
        .flat_map(|piece| {
            // At every place beside the ends of blocks and of the text.
            let counts = (0..300).map(|blanks| {
                let text = format!("{}{piece}", " ".repeat(blanks));
                let found = scan(text.as_bytes(), &TABLE, all);
                assert_eq!(found, plainly(text.as_bytes(), all), "{text}");
                found
            });
            counts.flatten().map(|found| found.detector).collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<&str> =
        (0..ALL.len()).filter(|index| !kinds.contains(index)).map(|index| ALL[index].check.id).collect();
    assert_eq!(missing, ["exposure.private_key"], "whose pieces stand alone here");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn openings_hide_nothing(text in text(), ranks in proptest::collection::vec(0..4_u8, 13)) {
        let ask = |index: usize| {
            let rank = ranks[index];
            (rank > 0).then(|| Asked { rank, at_least: ALL[index].at_least })
        };
        prop_assert_eq!(scan(&text, &TABLE, ask), plainly(&text, ask));
    }
}
