//! From bytes to a value, top down, with the place of the first fault.

use serde_json::{Map, Number, Value};

use super::pointer_token;
use crate::limits;

/// One step from the document to a value in it.
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Step {
    pub(super) fn token(&self) -> String {
        match self {
            Self::Key(name) => pointer_token(name),
            Self::Index(index) => format!("/{index}"),
        }
    }
}

/// Why reading ended early.
pub(super) enum Stop {
    /// It is no JSON from this byte on.
    Syntax(usize, &'static str),
    /// The path is built from the inside out.
    Value(Vec<Step>, &'static str),
}

impl Stop {
    fn value(what: &'static str) -> Self {
        Self::Value(Vec::new(), what)
    }

    fn under(self, step: impl FnOnce() -> Step) -> Self {
        match self {
            Self::Value(mut path, what) => {
                path.push(step());
                Self::Value(path, what)
            }
            syntax @ Self::Syntax(..) => syntax,
        }
    }
}

/// One document, and how far it is read.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// `bytes` must be UTF-8.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
        }
    }

    pub(super) fn document(&mut self) -> Result<Value, Stop> {
        let value = self.value()?;
        self.space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.wrong("something follows the document")),
        }
    }

    fn value(&mut self) -> Result<Value, Stop> {
        self.space();
        match self.peek() {
            None => Err(self.wrong("the document ends where a value should stand")),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'N' | b'I') if self.rest_is("NaN") || self.rest_is("Infinity") => {
                Err(Stop::value(NOT_A_NUMBER))
            }
            Some(_) => Err(self.wrong("no JSON value begins like this")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Stop>) -> Result<Value, Stop> {
        if self.depth == limits::JSON_DEPTH {
            return Err(Stop::value("nested deeper than 128"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, Stop> {
        let mut members = Map::new();
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes should stand here"));
            }
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.wrong("a colon should stand here"));
            }
            let value = self
                .value()
                .map_err(|stop| stop.under(|| Step::Key(key.clone())))?;
            if members.contains_key(&key) {
                return Err(Stop::value("this key stands twice").under(|| Step::Key(key)));
            }
            members.insert(key, value);
            self.space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return Err(self.wrong("a comma or a closing brace should stand here"));
            }
        }
    }

    fn array(&mut self) -> Result<Value, Stop> {
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            let index = items.len();
            let item = self
                .value()
                .map_err(|stop| stop.under(|| Step::Index(index)))?;
            items.push(item);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return Err(self.wrong("a comma or a closing bracket should stand here"));
            }
        }
    }

    fn string(&mut self) -> Result<String, Stop> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let rest = &self.bytes[self.at..];
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let Some(plain) = plain else {
                self.at = self.bytes.len();
                return Err(self.wrong("the text is not closed"));
            };
            text.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match rest[plain] {
                b'"' => {
                    self.at += 1;
                    // Whole runs between ASCII bytes of a checked UTF-8 text.
                    return String::from_utf8(text).map_err(|_| self.wrong("this is not UTF-8"));
                }
                b'\\' => {
                    let c = self.escape()?;
                    text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return Err(self.wrong("a control character must be escaped")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Stop> {
        self.at += 1;
        let c = match self.peek() {
            Some(b'u') => return self.unicode(),
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.wrong("JSON has no such escape")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, Stop> {
        self.at += 1;
        let first = self.four_digits()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        // A high surrogate is a character only with the low one that follows.
        if first < 0xdc00 && self.bytes[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return char::from_u32(code).ok_or(Stop::value(LONE));
            }
        }
        Err(Stop::value(LONE))
    }

    fn four_digits(&mut self) -> Result<u32, Stop> {
        let digits = self.bytes.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| self.wrong("four hexadecimal digits should stand here"))?;
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<Number, Stop> {
        let start = self.at;
        let negative = self.take(b'-');
        if negative && self.rest_is("Infinity") {
            return Err(Stop::value(NOT_A_NUMBER));
        }
        let first = self.at;
        let whole = self.digits()?;
        if whole > 1 && self.bytes[first] == b'0' {
            self.at = first;
            return Err(self.wrong("a number does not begin with a spare zero"));
        }
        let mut integer = true;
        if self.take(b'.') {
            integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            integer = false;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        if integer && whole > limits::INTEGER_DIGITS {
            return Err(Stop::value("an integer of more than 4,300 digits"));
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        if integer {
            return Ok(nearest(text));
        }
        let float: f64 = text.parse().unwrap_or(f64::INFINITY);
        Number::from_f64(float).ok_or(Stop::value("a number too large to be passed on exactly"))
    }

    fn digits(&mut self) -> Result<usize, Stop> {
        let rest = &self.bytes[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.wrong("a digit should stand here"));
        }
        self.at += count;
        Ok(count)
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, Stop> {
        if self.rest_is(word) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.wrong("no JSON value begins like this"))
    }

    fn rest_is(&self, word: &str) -> bool {
        self.bytes[self.at..].starts_with(word.as_bytes())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn wrong(&self, what: &'static str) -> Stop {
        Stop::Syntax(self.at, what)
    }
}

const NOT_A_NUMBER: &str = "NaN and Infinity are not JSON numbers";
const LONE: &str = "half of a surrogate pair is not a character";

/// The integer where 64 bits hold it, else the nearest double: good enough to
/// compare with a schema's bounds, and never what is passed on.
fn nearest(text: &str) -> Number {
    if let Ok(number) = text.parse::<i64>() {
        // `-0` is an integer to JSON Schema and a double to everybody else.
        return number.into();
    }
    if let Ok(number) = text.parse::<u64>() {
        return number.into();
    }
    let float: f64 = text.parse().unwrap_or(f64::MAX);
    Number::from_f64(float.clamp(f64::MIN, f64::MAX)).unwrap_or_else(|| 0.into())
}
