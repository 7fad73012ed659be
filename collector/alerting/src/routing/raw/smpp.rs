//! SMS by SMPP, as written.

use agent_yaml::{At, Findings, Text};
use deserr::Deserr;

use super::http::Tls;

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Smpp {
    #[deserr(default)]
    pub(in crate::routing) send_resolved: bool,
    pub(in crate::routing) address: At<String>,
    /// `tls` or `tcp`.
    #[deserr(default)]
    pub(in crate::routing) transport: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) tls_config: Option<At<Tls>>,
    pub(in crate::routing) system_id: At<Text>,
    #[deserr(default)]
    pub(in crate::routing) password: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) password_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) system_type: Option<At<Text>>,
    pub(in crate::routing) from: At<Text>,
    #[deserr(default)]
    pub(in crate::routing) from_ton: Option<u8>,
    #[deserr(default)]
    pub(in crate::routing) from_npi: Option<u8>,
    pub(in crate::routing) to: At<Vec<At<Text>>>,
    #[deserr(default)]
    pub(in crate::routing) to_ton: Option<u8>,
    #[deserr(default)]
    pub(in crate::routing) to_npi: Option<u8>,
    #[deserr(default)]
    pub(in crate::routing) message: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) fold_diacritics: bool,
    #[deserr(default)]
    pub(in crate::routing) parts_max: Option<At<u32>>,
}
