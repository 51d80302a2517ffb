//! `Correlation`: measurements that were taken together.

use clarity_model::Fields;
use serde_json::Value;

use super::common::{Added, Common, Extras, Unreadable, put, strip_type_prefix};
use super::record::Reading;
use crate::output::{Output, Ready};
use crate::sample::entity_type::CORRELATION;
use crate::xml::Attributes;

const NO_MEMBER_TYPE: Unreadable = "a record without a type inside a correlation";

/// A correlation that is being read.
///
/// Its member records are in the export a second time, on their own. They become samples there;
/// here only metric, value and unit are kept.
#[derive(Debug)]
pub(crate) struct Correlation {
    common: Common,
    extras: Extras,
    members: Vec<Value>,
}

impl Correlation {
    /// Reads the start tag.
    pub(crate) fn read(attributes: &Attributes<'_>) -> Result<Self, Unreadable> {
        let common = Common::read(attributes, "type")?;
        let extras = Extras::beside(common.text_bytes());
        Ok(Self { common, extras, members: Vec::new() })
    }

    /// Where metadata goes.
    pub(crate) fn extras(&mut self) -> &mut Extras {
        &mut self.extras
    }

    /// Adds a member record.
    pub(crate) fn add_member(&mut self, attributes: &Attributes<'_>) -> Result<Added, Unreadable> {
        let full_type = attributes.filled("type").ok_or(NO_MEMBER_TYPE)?;
        let metric = strip_type_prefix(full_type);
        let member = Reading::read(attributes, full_type, metric)?.into_member(metric.to_owned());
        let added = self.extras.take(member.to_string().len() + 1);
        if added == Added::Kept {
            self.members.push(member);
        }
        Ok(added)
    }

    /// The end tag: the correlation is whole.
    pub(crate) fn finish(self, output: &mut Output<'_>) {
        let identity = self.common.identity(CORRELATION);
        let bytes = self.extras.memory_bytes();
        let content: Vec<String> = self.members.iter().map(Value::to_string).collect();
        let mut fields = Fields::new();
        self.common.into_fields("correlation", &mut fields);
        put(&mut fields, "members", self.members);
        if !self.extras.metadata.is_empty() {
            put(&mut fields, "metadata", self.extras.metadata);
        }
        output.emit(Ready { entity_type: CORRELATION, fields, bytes }, &identity, |parts| {
            for member in &content {
                parts.text(member);
            }
        });
    }
}
