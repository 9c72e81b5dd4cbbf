//! The parameters of a request.

/// A form in the body of a POST, or in the query of a presigned URL.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The values of `<name>.member.<number>.<field>`, or without a field of `<name>.member.<number>`.
    pub(super) fn list(&self, name: &str, field: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(move |(key, value)| {
            let rest = key.strip_prefix(name)?.strip_prefix(".member.")?;
            let of = rest.split_once('.').map_or("", |(_, of)| of);
            (of == field).then_some(&**value)
        })
    }
}
