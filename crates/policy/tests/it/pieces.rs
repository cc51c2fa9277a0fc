//! Texts at the edge: URLs, ranges, prefixes, ids, addresses (S3).

use headwater_policy::{
    Class, ClientId, DomainPath, Family, Ipv4Range, Ipv6Prefix, Selector, SourceUrl, is_link_local,
    parse_address,
};

/// What a text becomes, or what is wrong with it.
fn read<T: std::str::FromStr<Err: std::fmt::Display> + std::fmt::Display>(text: &str) -> String {
    text.parse::<T>().map_or_else(|error| format!("refused: {error}"), |value| value.to_string())
}

fn check<T: std::str::FromStr<Err: std::fmt::Display> + std::fmt::Display>(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let found = read::<T>(text);
        let fits = match expected.strip_prefix("refused: ") {
            Some(word) => found.starts_with("refused: ") && found.contains(word),
            None => found == *expected && read::<T>(&found) == *expected,
        };
        assert!(fits, "`{text}`: expected `{expected}`, found `{found}`");
    }
}

/// RFC 3986 section 6.2: the examples of the specification and what people type.
#[test]
fn urls_are_normalised() {
    check::<SourceUrl>(&[
        ("https://hq.example:8471", "https://hq.example:8471"),
        ("HTTP://Mirror.EXAMPLE/HW", "http://mirror.example/HW"),
        ("http://mirror.example:80/hw/", "http://mirror.example/hw"),
        ("http://mirror.example:/hw", "http://mirror.example/hw"),
        ("http://mirror.example:0080", "http://mirror.example"),
        ("https://mirror.example:443", "https://mirror.example"),
        ("https://mirror.example:80", "https://mirror.example:80"),
        ("http://mirror.example/%7efoo/%7Efoo/~foo", "http://mirror.example/~foo/~foo/~foo"),
        ("http://mirror.example/a%2fb%2Fc", "http://mirror.example/a%2Fb%2Fc"),
        ("http://mirror.example/a/./b/../c", "http://mirror.example/a/c"),
        ("http://mirror.example/a/%2e%2E/c", "http://mirror.example/c"),
        ("http://mirror.example/../../c/..", "http://mirror.example"),
        ("http://mirror.example/a/b/.", "http://mirror.example/a/b"),
        ("http://mirror.example/a//b", "http://mirror.example/a//b"),
        ("http://mirror.example/hw//", "http://mirror.example/hw"),
        ("http://%6dirror.example", "http://mirror.example"),
        ("http://mirror_1.example./x", "http://mirror_1.example./x"),
        ("http://10.1.0.5:8472", "http://10.1.0.5:8472"),
        ("http://[2001:DB8:0:0:0:0:0:1]:80/", "http://[2001:db8::1]"),
        ("http://[::ffff:10.1.0.5]/", "http://10.1.0.5"),
        ("http://[fe80::1]:8472", "http://[fe80::1]:8472"),
    ]);
}

#[test]
fn bad_urls_are_refused_with_every_fault() {
    check::<SourceUrl>(&[
        ("", "refused: must begin with http://"),
        ("mirror.example", "refused: must begin with http://"),
        ("ftp://mirror.example", "refused: scheme must be http or https"),
        ("http://", "refused: no host"),
        ("http:///path", "refused: no host"),
        ("http://user@mirror.example", "refused: user information"),
        ("http://mirror.example/?", "refused: no query"),
        ("http://mirror.example/#", "refused: no fragment"),
        (
            "ftp://u:p@mirror.example:0/?q#f",
            "refused: scheme must be http or https; it must have no fragment",
        ),
        ("ftp://u:p@mirror.example:0/?q#f", "refused: its port `0`"),
        ("http://mirror.example:65536", "refused: port `65536`"),
        ("http://mirror.example:+80", "refused: port `+80`"),
        ("http://2001:db8::1/", "refused: an IPv6 host stands in brackets"),
        ("http://[2001:db8::1", "refused: no IPv6 address in brackets"),
        ("http://[fe80::1%25eth0]/", "refused: zone"),
        ("http://[10.1.0.5]/", "refused: no IPv6 address in brackets"),
        ("http://010.1.0.5", "refused: no IPv4 address"),
        ("http://10.1.5", "refused: no IPv4 address"),
        ("http://0x7f.1", "refused: no IPv4 address"),
        ("http://0x7f000001", "refused: no IPv4 address"),
        ("http://mirror..example", "refused: a part that is empty"),
        ("http://mirror.exämple", "refused: xn--"),
        ("http://mirror.example/a b", "refused: percent-encoded"),
        ("http://mirror.example/%2", "refused: hexadecimal"),
        ("http://mirror.example/%zz", "refused: hexadecimal"),
        ("http://mirror.example\\x", "refused: host"),
        (" http://mirror.example", "refused: scheme"),
    ]);
    let secret = read::<SourceUrl>("http://user:secret@mirror.example/");
    assert!(!secret.contains("secret"), "a password is not repeated: {secret}");
}

#[test]
fn a_url_knows_its_family() {
    let family = |text: &str| text.parse::<SourceUrl>().unwrap().literal_family();
    assert_eq!(family("http://10.1.0.5/"), Some(Family::V4));
    assert_eq!(family("http://[2001:db8::1]/"), Some(Family::V6));
    assert_eq!(family("http://[::ffff:10.1.0.5]/"), Some(Family::V4));
    assert_eq!(family("http://mirror.example/"), None);
}

/// S3: one host is a range whose ends are equal; a reversed range is refused.
#[test]
fn ranges() {
    check::<Ipv4Range>(&[
        ("10.1.0.0-10.1.255.255", "10.1.0.0-10.1.255.255"),
        ("10.1.0.5-10.1.0.5", "10.1.0.5-10.1.0.5"),
        ("10.1.0.5", "10.1.0.5-10.1.0.5"),
        ("0.0.0.0-255.255.255.255", "0.0.0.0-255.255.255.255"),
        ("::ffff:10.1.0.0-::ffff:10.1.0.9", "10.1.0.0-10.1.0.9"),
        ("10.1.0.9-10.1.0.5", "refused: reversed"),
        ("10.1.0.0/16", "10.1.0.0-10.1.255.255"),
        ("10.1.7.9/16", "10.1.0.0-10.1.255.255"),
        ("10.1.0.5/32", "10.1.0.5-10.1.0.5"),
        ("0.0.0.0/0", "0.0.0.0-255.255.255.255"),
        ("10.1.0.0/33", "refused: 0 to 32"),
        ("10.1.0.0/+8", "refused: 0 to 32"),
        ("10.1.0.0/", "refused: 0 to 32"),
        ("10.1.0.0/16-10.2.0.0", "refused: 0 to 32"),
        ("10.1.0.0-", "refused: first-last"),
        ("-10.1.0.0", "refused: first-last"),
        ("10.1.0.0-10.1.0.256", "refused: first-last"),
        ("10.1.0.0-10.1.0.5-10.1.0.6", "refused: first-last"),
        ("2001:db8::1-2001:db8::2", "refused: first-last"),
        ("010.1.0.0-10.1.0.5", "refused: first-last"),
        ("", "refused: first-last"),
    ]);
}

/// S3: lengths 0–128, all textual forms in, RFC 5952 out.
#[test]
fn prefixes() {
    check::<Ipv6Prefix>(&[
        ("2001:DB8:1:0:0:0:0:0/48", "2001:db8:1::/48"),
        ("2001:db8:1::5/48", "2001:db8:1::/48"),
        ("2001:db8::192.0.2.1/128", "2001:db8::c000:201/128"),
        ("::/0", "::/0"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/0", "::/0"),
        ("2001:db8:0:1:0:0:0:1/128", "2001:db8:0:1::1/128"),
        ("2001:db8::/129", "refused: 0 to 128"),
        ("2001:db8::/-1", "refused: 0 to 128"),
        ("2001:db8::/+1", "refused: 0 to 128"),
        ("2001:db8::/", "refused: 0 to 128"),
        ("2001:db8::5", "2001:db8::5/128"),
        ("2001:db8::", "refused: length is missing"),
        ("10.0.0.0/8", "refused: no IPv6 address"),
        ("fe80::1%eth0/64", "refused: no IPv6 address"),
    ]);
}

/// S3: an IPv4-mapped prefix is the IPv4 range that it means; at least one of the two.
#[test]
fn selectors() {
    let selector = |ipv4: Option<&str>, ipv6: Option<&str>| {
        Selector::new(ipv4.map(|text| text.parse().unwrap()), ipv6.map(|text| text.parse().unwrap()))
            .map_or_else(|error| error.to_string(), |selector| selector.to_string())
    };
    assert_eq!(selector(None, Some("::ffff:10.1.0.0/112")), "10.1.0.0-10.1.255.255");
    assert!(selector(None, None).contains("selects nobody"));
    assert!(selector(Some("10.0.0.1"), Some("::ffff:10.1.0.0/112")).contains("entry of its own"));
    let all: Selector = Selector::new(None, Some("::/0".parse().unwrap())).unwrap();
    assert!(!all.contains("::ffff:10.0.0.1".parse().unwrap()), "a mapped address is no IPv6 address");
    let range = Selector::new(Some("10.0.0.0-10.0.0.9".parse().unwrap()), None).unwrap();
    assert!(range.contains("::ffff:10.0.0.1".parse().unwrap()));
}

#[test]
fn names_and_addresses() {
    check::<ClientId>(&[
        ("ua-paris", "ua-paris"),
        ("PC_17.example", "PC_17.example"),
        ("", "refused: empty"),
        ("-x", "refused: letter or digit"),
        ("a b", "refused: letters, digits"),
        ("../x", "refused: letters, digits"),
        ("a/b", "refused: letters, digits"),
        ("pc\u{202e}17", "refused: letters, digits"),
    ]);
    check::<DomainPath>(&[
        ("root", "root"),
        ("root/paris/lab_1", "root/paris/lab_1"),
        ("paris", "refused: must be `root`"),
        ("root/", "refused: each name"),
        ("root//x", "refused: each name"),
        ("root/../x", "refused: each name"),
        ("root/pa ris", "refused: each name"),
    ]);
    check::<Class>(&[("components", "components"), ("Components", "refused: no class")]);
    assert_eq!(parse_address("::FFFF:10.1.0.5").unwrap().to_string(), "10.1.0.5");
    assert!(parse_address("fe80::1%eth0").unwrap_err().to_string().contains("zone"));
    assert!(is_link_local("fe80::1".parse().unwrap()) && is_link_local("169.254.1.1".parse().unwrap()));
}
