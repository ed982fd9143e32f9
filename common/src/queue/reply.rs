//! Reading a script's answer: a tag first, then its values in order.

use bytes::Bytes;
use redis::Value;
use uuid::Uuid;

use super::error::QueueError;
use crate::ids::ExecutionId;

/// The answer of one script, read from the front.
#[derive(Debug)]
pub(super) struct Reply {
    step: &'static str,
    values: std::vec::IntoIter<Value>,
}

impl Reply {
    pub(super) fn new(step: &'static str, value: Value) -> Result<Self, QueueError> {
        let Value::Array(values) = value else {
            return Err(QueueError::Reply {
                step,
                what: "not a list",
            });
        };
        Ok(Self {
            step,
            values: values.into_iter(),
        })
    }

    pub(super) fn wrong(&self, what: &'static str) -> QueueError {
        QueueError::Reply {
            step: self.step,
            what,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.as_slice().is_empty()
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, QueueError> {
        match self.values.next() {
            Some(Value::BulkString(bytes)) => Ok(bytes),
            Some(Value::SimpleString(text)) => Ok(text.into_bytes()),
            Some(Value::Int(number)) => Ok(number.to_string().into_bytes()),
            _ => Err(self.wrong("a text is missing")),
        }
    }

    pub(super) fn body(&mut self) -> Result<Bytes, QueueError> {
        self.bytes().map(Bytes::from)
    }

    pub(super) fn text(&mut self) -> Result<String, QueueError> {
        String::from_utf8(self.bytes()?).map_err(|_| self.wrong("a text is not UTF-8"))
    }

    pub(super) fn number(&mut self) -> Result<u64, QueueError> {
        let text = self.text()?;
        text.parse().map_err(|_| self.wrong("not a number"))
    }

    pub(super) fn flag(&mut self) -> Result<bool, QueueError> {
        self.number().map(|number| number != 0)
    }

    pub(super) fn id(&mut self) -> Result<ExecutionId, QueueError> {
        parse_id(&self.bytes()?).ok_or_else(|| self.wrong("not an execution's id"))
    }

    pub(super) fn list(&mut self) -> Result<Self, QueueError> {
        match self.values.next() {
            Some(Value::Array(values)) => Ok(Self {
                step: self.step,
                values: values.into_iter(),
            }),
            // An empty answer of a read, passed on by a script.
            Some(Value::Nil | Value::Boolean(false)) => Ok(Self {
                step: self.step,
                values: Vec::new().into_iter(),
            }),
            _ => Err(self.wrong("a list is missing")),
        }
    }
}

pub(super) fn parse_id(hex: &[u8]) -> Option<ExecutionId> {
    if hex.len() != 32 {
        return None;
    }
    Uuid::try_parse_ascii(hex).ok().map(ExecutionId::from_uuid)
}
