//! Reads the text form of protobuf messages, as far as the public CEL conformance data uses it.

/// A field's value: text and numbers as written, or a message.
#[derive(Clone, Debug)]
pub enum Node {
    Scalar(String),
    Text(Vec<u8>),
    Message(Vec<(String, Node)>),
}

impl Node {
    pub fn fields<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Node> {
        let fields = match self {
            Node::Message(fields) => fields.as_slice(),
            _ => &[],
        };
        fields.iter().filter(move |(known, _)| known == name).map(|(_, node)| node)
    }

    pub fn field(&self, name: &str) -> Option<&Node> {
        match self {
            Node::Message(fields) => {
                fields.iter().find(|(known, _)| known == name).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Node::Text(bytes) => bytes.clone(),
            _ => Vec::new(),
        }
    }

    pub fn text(&self) -> String {
        match self {
            Node::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Node::Scalar(text) => text.clone(),
            Node::Message(_) => String::new(),
        }
    }
}

pub fn parse(source: &str) -> Node {
    let mut reader = Reader { source: source.as_bytes(), at: 0 };
    Node::Message(reader.message(None))
}

struct Reader<'s> {
    source: &'s [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.source.get(self.at) {
                Some(b'#') => {
                    while self.source.get(self.at).is_some_and(|byte| *byte != b'\n') {
                        self.at += 1;
                    }
                }
                Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b';') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn message(&mut self, end: Option<u8>) -> Vec<(String, Node)> {
        let mut fields = Vec::new();
        loop {
            let next = self.peek();
            if next == end {
                self.at += 1;
                return fields;
            }
            let name = self.word();
            if self.peek() == Some(b':') {
                self.at += 1;
            }
            let node = self.value();
            match node {
                Node::Message(items) if items.iter().any(|(name, _)| name == "[]") => {
                    fields.extend(items.into_iter().map(|(_, item)| (name.clone(), item)));
                }
                node => fields.push((name, node)),
            }
        }
    }

    fn word(&mut self) -> String {
        self.peek();
        if self.source.get(self.at) == Some(&b'[') {
            let start = self.at;
            while self.source[self.at] != b']' {
                self.at += 1;
            }
            self.at += 1;
            return String::from_utf8_lossy(&self.source[start..self.at]).into_owned();
        }
        let start = self.at;
        let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(byte);
        while self.source.get(self.at).is_some_and(part) {
            self.at += 1;
        }
        assert!(self.at > start, "textproto: no word at byte {start}");
        String::from_utf8_lossy(&self.source[start..self.at]).into_owned()
    }

    fn value(&mut self) -> Node {
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                Node::Message(self.message(Some(b'}')))
            }
            Some(b'[') => {
                self.at += 1;
                let mut items = Vec::new();
                while self.peek() != Some(b']') {
                    items.push(("[]".to_owned(), self.value()));
                }
                self.at += 1;
                Node::Message(items)
            }
            Some(quote @ (b'"' | b'\'')) => {
                let mut text = Vec::new();
                while self.peek() == Some(quote) {
                    self.at += 1;
                    self.quoted(quote, &mut text);
                }
                Node::Text(text)
            }
            _ => Node::Scalar(self.word()),
        }
    }

    fn quoted(&mut self, quote: u8, text: &mut Vec<u8>) {
        loop {
            let byte = self.source[self.at];
            self.at += 1;
            match byte {
                b'\\' => self.escape(text),
                byte if byte == quote => return,
                byte => text.push(byte),
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) {
        let kind = self.source[self.at];
        self.at += 1;
        let digits = |reader: &mut Self, max: usize, radix: u32| {
            let mut value = 0;
            for _ in 0..max {
                let Some(digit) = char::from(reader.source[reader.at]).to_digit(radix) else {
                    break;
                };
                value = value * radix + digit;
                reader.at += 1;
            }
            value
        };
        match kind {
            b'a' => text.push(7),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'v' => text.push(11),
            b'x' | b'X' => text.push(digits(self, 2, 16) as u8),
            b'0'..=b'7' => {
                self.at -= 1;
                text.push(digits(self, 3, 8) as u8);
            }
            b'u' | b'U' => {
                let value = digits(self, if kind == b'u' { 4 } else { 8 }, 16);
                let character = char::from_u32(value).expect("textproto: a Unicode escape");
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => text.push(other),
        }
    }
}
