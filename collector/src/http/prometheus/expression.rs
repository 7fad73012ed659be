//! `format_query` and `parse_query`.

use rules_promql::SyntaxTree;
use serde_json::json;

use super::answer::{Answer, Failure, success};
use super::parameters::Parameters;

fn parsed(parameters: &Parameters) -> Result<SyntaxTree, Failure> {
    let parsed = SyntaxTree::parse(parameters.query());
    parsed.map_err(|error| Failure::parameter("query", crate::describe(&error)))
}

pub(super) async fn format(parameters: Parameters) -> Answer {
    success(&json!(parsed(&parameters)?.pretty()))
}

pub(super) async fn tree(parameters: Parameters) -> Answer {
    let tree = serde_json::to_value(parsed(&parameters)?);
    success(&tree.map_err(|error| Failure::internal(format!("the tree cannot be shown: {error}")))?)
}
