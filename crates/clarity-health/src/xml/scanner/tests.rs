use super::*;

/// Gives its bytes in pieces of a fixed size, so that every boundary is met.
struct Pieces<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.size.min(self.bytes.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

fn tokens(bytes: &[u8], size: usize, keep_text: bool) -> Vec<String> {
    let mut scanner = Scanner::new(Pieces { bytes, size }, keep_text);
    let mut found = Vec::new();
    loop {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let token = match scanner.next() {
            Token::Start { content, empty } => {
                format!("{}{}", text(content), if empty { "/" } else { "" })
            }
            Token::End(name) => format!("end {}", text(name)),
            Token::Text(content) => format!("text {}", text(content)),
            Token::Broken(breakage) => format!("{breakage:?}"),
            Token::EndOfInput { inside_tag } => {
                found.push(format!("{} end {inside_tag}", scanner.position()));
                return found;
            }
        };
        found.push(format!("{} {token}", scanner.token_offset()));
    }
}

// Shows that tokens and their places are the same however the stream is cut into reads.
#[test]
fn tokens_do_not_depend_on_reads() {
    let xml = b"<?xml v?><!-- <no> --><a x='>' y=\"'\"><b/>t\x0Bext</a ><![CDATA[<no>]]><c\x0B/> ";
    let expected = [
        "22 a x='>' y=\"'\"",
        "37 b/",
        "41 text text",
        "46 end a",
        "67 c/",
        "72 text  ",
        "73 end false",
    ];
    for size in 1..xml.len() + 1 {
        let found = tokens(xml, size, true);
        let without_tail: Vec<_> =
            found.iter().filter(|token| !token.starts_with("72")).cloned().collect();
        let wanted: Vec<_> = expected.iter().filter(|token| !token.starts_with("72")).collect();
        assert_eq!(without_tail.iter().collect::<Vec<_>>(), wanted, "reads of {size}");
    }
}

// Shows that a tag that lost its quote or its end costs one tag, and the next one is read.
#[test]
fn goes_on_after_a_broken_tag() {
    let xml = b"<a x=\"1><b y=\"2\"/><c <d/>< e>1 < 2</d>";
    let expected = [
        "0 Unclosed",
        "8 b y=\"2\"/",
        "18 Unclosed",
        "21 d/",
        "27 Text",
        "33 Text",
        "34 end d",
        "38 end false",
    ];
    for size in [1, 3, 1_000] {
        assert_eq!(tokens(xml, size, false), expected);
    }
}

// Shows that a cut inside a tag, a comment or a name is told from an end between tags.
#[test]
fn cuts_are_noticed() {
    for (xml, inside) in [
        ("<a/>", false),
        ("<a/> \n", false),
        ("<a", true),
        ("<a x=\"", true),
        ("<", true),
        ("</a", true),
        ("<!-- x", true),
        ("<!x", true),
        ("<![CDATA[ ]]", true),
        ("<?x", true),
        ("", false),
    ] {
        let last = tokens(xml.as_bytes(), 2, false).pop().unwrap();
        assert_eq!(last, format!("{} end {inside}", xml.len()), "{xml}");
    }
}

// Shows that text between tags is reported once, at its start, unless it is asked for.
#[test]
fn stray_text_is_reported() {
    let xml = b"<a/> \n x y\nz < 3 <b/>\n";
    for size in [1, 2, 5, 1_000] {
        assert_eq!(
            tokens(xml, size, false),
            ["0 a/", "7 Text", "15 Text", "17 b/", "22 end false"].map(str::to_owned)
        );
    }
}

// Shows that entity declarations are told apart wherever they are.
#[test]
fn entity_declarations_are_reported() {
    let xml = b"<!DOCTYPE a [ <!ELEMENT a ANY> <!ENTITY b \"c\"> ]><a/>";
    let expected = ["31 EntityDeclaration", "49 a/", "53 end false"].map(str::to_owned);
    let found = tokens(xml, 5, true);
    let found: Vec<_> = found.into_iter().filter(|token| !token.contains("text")).collect();
    assert_eq!(found, expected);
    let places = ["0 Text", "14 Text", "31 EntityDeclaration", "49 a/", "53 end false"];
    assert_eq!(tokens(xml, 5, false), places);
}

// Shows that a tag or a comment without end is given up at its limit and memory stays flat.
#[test]
fn long_tags_and_comments_are_cut() {
    let mut xml = b"<a x=\"".to_vec();
    xml.extend(std::iter::repeat_n(b'y', 3 * TAG_BYTES_MAX));
    xml.extend_from_slice(b"\"><b/>");
    let mut scanner = Scanner::new(&xml[..], false);
    assert_eq!(scanner.next(), Token::Broken(Breakage::TooLong));
    assert_eq!(scanner.next(), Token::Start { content: b"b", empty: true });
    assert!(scanner.buffer.capacity() <= 2 * TAG_BYTES_MAX);

    let mut xml = b"<!--".to_vec();
    xml.extend(std::iter::repeat_n(b'y', 3 * COMMENT_BYTES_MAX));
    xml.extend_from_slice(b"<b/>");
    let mut scanner = Scanner::new(&xml[..], false);
    assert_eq!(scanner.next(), Token::Broken(Breakage::TooLong));
    assert_eq!(scanner.next(), Token::Start { content: b"b", empty: true });
    assert!(scanner.buffer.capacity() <= 4 * READ_BYTES);
}

// Shows that the prologue is cut at the first match, only within its limit, and handed out.
#[test]
fn prologue_is_cut() {
    let xml = b"<!DOCTYPE HealthData [ <!ELEMENT HealthData ANY> >\n<HealthData a=\"1\">";
    for size in [1, 7, 1_000] {
        let mut scanner = Scanner::new(Pieces { bytes: xml, size }, false);
        assert_eq!(scanner.skip_to(b"<HealthData", 1_000).map(<[u8]>::len), Some(51));
        assert_eq!(scanner.position(), 51);
        assert_eq!(scanner.next(), Token::Start { content: b"HealthData a=\"1\"", empty: false });
    }
    let mut scanner = Scanner::new(Pieces { bytes: xml, size: 4 }, false);
    assert_eq!(scanner.skip_to(b"<HealthData", 20), None);
}

// Shows that a stream that fails keeps its error for the caller and ends like a cut one.
#[test]
fn errors_end_the_stream() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }
    let mut scanner = Scanner::new(b"<a/><b".chain(Failing), false);
    assert_eq!(scanner.next(), Token::Start { content: b"a", empty: true });
    assert_eq!(scanner.next(), Token::EndOfInput { inside_tag: true });
    assert!(scanner.take_error().is_some());
}
