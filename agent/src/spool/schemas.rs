//! The schemas that reports on the disk use, one file each, kept as long as a report needs them.
//! Every schema also lies in the first report that used it; this shelf serves a collector that asks again.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use agent_model::{Schema, SchemaId};
use agent_wire::SchemaSource;

use super::{SpoolError, disk};
use crate::files;

pub(super) struct Schemas {
    directory: PathBuf,
    /// Size of each file; `None` where the disk had no room for it.
    files: HashMap<SchemaId, Option<u64>>,
    /// Those of this run, with which new columns are encoded.
    current: HashMap<SchemaId, Arc<Schema>>,
}

impl Schemas {
    pub(super) fn open(directory: PathBuf) -> Result<Self, SpoolError> {
        fs::create_dir_all(&directory).map_err(disk("making", &directory))?;
        let mut files = HashMap::new();
        for entry in fs::read_dir(&directory).map_err(disk("listing", &directory))? {
            let entry = entry.map_err(disk("listing", &directory))?;
            let id = entry.file_name().to_str().and_then(parse_name);
            match (id, entry.metadata()) {
                (Some(id), Ok(metadata)) => drop(files.insert(id, Some(metadata.len()))),
                _ => fs::remove_file(entry.path()).map_err(disk("removing", &entry.path()))?,
            }
        }
        Ok(Self { directory, files, current: HashMap::new() })
    }

    /// Takes a schema in; tells whether it is new in this run. Without room on the disk it is kept in memory.
    pub(super) fn put(&mut self, id: SchemaId, schema: &Arc<Schema>) -> Result<bool, SpoolError> {
        if self.current.insert(id, Arc::clone(schema)).is_some() {
            return Ok(false);
        }
        let bytes = agent_wire::encode_schema(schema);
        let path = self.path(id);
        self.files.insert(id, None);
        files::replace(&path, &bytes, 0o600).map_err(disk("writing", &path))?;
        self.files.insert(id, Some(bytes.len() as u64));
        Ok(true)
    }

    /// A schema of this run or from the disk; `None` when it is gone or damaged.
    pub(super) fn get(&self, id: SchemaId) -> Option<Arc<Schema>> {
        if let Some(schema) = self.current.get(&id) {
            return Some(Arc::clone(schema));
        }
        let schema = agent_wire::decode_schema(&fs::read(self.path(id)).ok()?).ok()?;
        (schema.id() == id).then(|| Arc::new(schema))
    }

    /// Forgets the schemas that `in_use` does not name.
    pub(super) fn keep(&mut self, in_use: impl Fn(&SchemaId) -> bool) {
        self.current.retain(|id, _| in_use(id));
        let gone: Vec<_> = self.files.keys().filter(|id| !in_use(id)).copied().collect();
        for id in gone {
            // A file that stays behind is found and removed by the next call after a start.
            if fs::remove_file(self.path(id)).is_ok() || self.files[&id].is_none() {
                self.files.remove(&id);
            }
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.values().flatten().sum()
    }

    fn path(&self, id: SchemaId) -> PathBuf {
        self.directory.join(hex::encode(id.0))
    }
}

impl SchemaSource for Schemas {
    fn schema(&self, id: &SchemaId) -> Option<Arc<Schema>> {
        self.current.get(id).cloned()
    }
}

fn parse_name(name: &str) -> Option<SchemaId> {
    hex::decode(name).ok()?.try_into().ok().map(SchemaId)
}
