//! One table of a site while it is read: every key is asked for once, what is left over is unknown.

use config::{Map, Value, ValueKind};

use super::{
    key::KeyPath,
    layers::Layers,
    raw::{Raw, kind},
};

/// A table, and the keys asked for so far.
pub struct Section<'l> {
    layers: &'l Layers,
    path: KeyPath,
    values: Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'l> Section<'l> {
    /// The table at `path`.
    pub fn new(layers: &'l Layers, path: KeyPath, values: Map<String, Value>) -> Self {
        Self { layers, path, values, known: Vec::new() }
    }

    /// A key that may be left out. `None` also after a problem, which is noted.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Raw<'l>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let path = self.path.key(key);
        self.parsed(value, path, parse)
    }

    /// A key that has to be there, in the file or among the defaults.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Raw<'l>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            self.refuse(key, "is missing");
        }
        self.optional(key, parse)
    }

    /// Every entry of a list that can be read; none where the key is left out. A variable holds a list with commas.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        mut parse: impl FnMut(&Raw<'l>) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let path = self.path.key(key);
        let origin = value.origin().map(str::to_owned);
        let entries = match value.kind {
            ValueKind::Array(entries) => entries,
            ValueKind::String(list) if origin.is_some() => {
                let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
                entries.map(|entry| Value::new(origin.as_ref(), entry)).collect()
            }
            _ => {
                self.layers.refuse(&path, Some(&value), format!("wants a list, not {}", kind(&value)));
                return Vec::new();
            }
        };
        let entries = entries.into_iter().enumerate();
        entries.filter_map(|(at, entry)| self.parsed(entry, path.index(at), &mut parse)).collect()
    }

    /// A list that has to have an entry.
    pub fn at_least_one<T>(
        &mut self,
        key: &'static str,
        parse: impl FnMut(&Raw<'l>) -> Result<T, String>,
    ) -> Vec<T> {
        let empty = match self.values.get(key).map(|value| &value.kind) {
            Some(ValueKind::Array(entries)) => entries.is_empty(),
            Some(ValueKind::String(list)) => list.trim().is_empty(),
            Some(_) => false,
            None => true,
        };
        if empty {
            self.refuse(key, "needs at least one entry");
        }
        self.list(key, parse)
    }

    /// A table below this one; `None` where the site does not have it.
    pub fn table(&mut self, key: &'static str) -> Option<Section<'l>> {
        let value = self.take(key)?;
        self.below(value, self.path.key(key))
    }

    /// The tables of `[[key]]`.
    pub fn tables(&mut self, key: &'static str) -> Vec<Section<'l>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let path = self.path.key(key);
        match value.kind {
            ValueKind::Array(tables) => {
                let tables = tables.into_iter().enumerate();
                tables.filter_map(|(at, table)| self.below(table, path.index(at))).collect()
            }
            _ => {
                self.layers.refuse(
                    &path,
                    Some(&value),
                    format!("wants tables [[{path}]], not {}", kind(&value)),
                );
                Vec::new()
            }
        }
    }

    /// The tables below this one by their names, sorted: they are the site's to choose.
    pub fn named(mut self) -> Vec<(String, Section<'l>)> {
        let mut tables: Vec<_> = std::mem::take(&mut self.values).into_iter().collect();
        tables.sort_by(|(one, _), (other, _)| one.cmp(other));
        let below = |(name, table): (String, Value)| {
            let path = self.path.key(&name);
            Some((name, self.below(table, path)?))
        };
        tables.into_iter().filter_map(below).collect()
    }

    /// Whether the site has this key.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Whether the site has a list there that is not empty.
    pub fn has_entries(&self, key: &str) -> bool {
        match self.values.get(key).map(|value| &value.kind) {
            Some(ValueKind::Array(entries)) => !entries.is_empty(),
            Some(ValueKind::String(list)) => !list.trim().is_empty(),
            Some(_) | None => false,
        }
    }

    /// The environment variable of `key`.
    pub fn variable(&self, key: &str) -> String {
        self.path.key(key).variable()
    }

    /// Counts `key` as one that the table knows, though nothing asks for it now.
    pub fn knows(&mut self, key: &'static str) {
        self.known.push(key);
    }

    /// Notes a problem with `key`, which may be missing.
    pub fn refuse(&self, key: &str, what: impl Into<String>) {
        self.layers.refuse(&self.path.key(key), self.values.get(key), what);
    }

    /// Notes a problem with the table as a whole.
    pub fn refuse_whole(&self, what: impl Into<String>) {
        self.layers.refuse(&self.path, None, what);
    }

    /// Refuses the keys that nobody asked for.
    pub fn end(self) {
        for (key, value) in &self.values {
            if self.known.contains(&key.as_str()) {
                continue;
            }
            let what = format!("unknown key; known here: {}", self.known.join(", "));
            self.layers.refuse(&self.path.key(key), Some(value), what);
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.values.get(key).cloned()
    }

    fn below(&self, value: Value, path: KeyPath) -> Option<Section<'l>> {
        match value.kind {
            ValueKind::Table(values) => Some(Section::new(self.layers, path, values)),
            _ => {
                self.layers.refuse(&path, Some(&value), format!("wants a table, not {}", kind(&value)));
                None
            }
        }
    }

    fn parsed<T>(
        &self,
        value: Value,
        path: KeyPath,
        parse: impl FnOnce(&Raw<'l>) -> Result<T, String>,
    ) -> Option<T> {
        let raw = Raw::new(value, path, self.layers);
        parse(&raw).map_err(|what| raw.refuse(what)).ok()
    }
}
