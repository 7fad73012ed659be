//! `node_filefd_allocated`, `node_filefd_maximum`: open files of the whole host, from `/proc/sys/fs/file-nr`
//! (proc_sys_fs(5)). Its second number has been 0 since Linux 2.6 and is left out.

use agent_model::Millis;

use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

pub struct Filefd {
    file: ProcFile,
}

impl Filefd {
    pub fn new(root: &HostRoot) -> Self {
        Self { file: ProcFile::new(root.proc.join("sys/fs/file-nr")) }
    }
}

impl MetricSource for Filefd {
    fn name(&self) -> &'static str {
        "filefd"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let Some(text) = self.file.read()? else { return Ok(()) };
        let mut words = text.text.split_ascii_whitespace();
        out.add("node_filefd_allocated", &[], text.number(words.next(), "open files")?);
        out.add("node_filefd_maximum", &[], text.number(words.nth(1), "limit of files")?);
        Ok(())
    }
}
