//! `series`, `labels` and `label/…/values`: what there is to ask for.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_model::{Labels, Matcher, Millis};
use axum::Extension;
use axum::extract::{Path, State};
use serde_json::json;

use super::answer::{Answer, Failure, Success};
use super::names::unescaped;
use super::parameters::Parameters;
use super::query::{TRUNCATED, truncated};
use super::values;
use crate::http::{WebApi, Who};
use crate::query::Query;

pub(super) async fn series(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    parameters: Parameters,
) -> Answer {
    if parameters.all("match[]").next().is_none() {
        return Err(Failure::bad_data("no match[] parameter provided"));
    }
    let (asked, limit) = (Asked::of(&parameters)?, parameters.limit("limit")?);
    api.places
        .evaluate(&api.query.within(&who.scope), parameters.timeout()?, move |query, _| {
            let mut found: Vec<Labels> = asked.series(query)?.into_iter().collect();
            let cut = truncated(&mut found, limit);
            Ok(told(values::label_sets(&found), cut))
        })
        .await
}

pub(super) async fn labels(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    parameters: Parameters,
) -> Answer {
    let (asked, limit) = (Asked::of(&parameters)?, parameters.limit("limit")?);
    api.places
        .evaluate(&api.query.within(&who.scope), parameters.timeout()?, move |query, _| {
            let found = asked.series(query)?;
            let names = found.iter().flat_map(Labels::iter).map(|label| label.name.as_ref());
            texts(names.collect(), limit)
        })
        .await
}

pub(super) async fn label_values(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Answer {
    let name = unescaped(&name);
    let (asked, limit) = (Asked::of(&parameters)?, parameters.limit("limit")?);
    api.places
        .evaluate(&api.query.within(&who.scope), parameters.timeout()?, move |query, _| {
            let found = asked.series(query)?;
            texts(found.iter().filter_map(|labels| labels.get(&name)).collect(), limit)
        })
        .await
}

/// Selectors and the time in which a series must have samples.
struct Asked {
    selectors: Vec<Vec<Matcher>>,
    from_ms: Millis,
    to_ms: Millis,
}

impl Asked {
    /// Without a selector all series are meant.
    fn of(parameters: &Parameters) -> Result<Self, Failure> {
        let mut selectors = parameters.selectors()?;
        if selectors.is_empty() {
            selectors.push(Vec::new());
        }
        let (from_ms, to_ms) = parameters.span()?;
        Ok(Self { selectors, from_ms, to_ms })
    }

    fn series(&self, query: &Query) -> Result<BTreeSet<Labels>, Failure> {
        let mut found = BTreeSet::new();
        if self.to_ms < self.from_ms {
            return Ok(found);
        }
        for matchers in &self.selectors {
            found.extend(query.series(matchers, self.from_ms, self.to_ms)?);
        }
        Ok(found)
    }
}

fn texts(found: BTreeSet<&str>, limit: Option<usize>) -> Answer {
    let mut found: Vec<&str> = found.into_iter().collect();
    let cut = truncated(&mut found, limit);
    Ok(told(json!(found).to_string(), cut))
}

fn told(data: String, cut: bool) -> Success {
    Success {
        data,
        warnings: cut.then(|| TRUNCATED.to_owned()).into_iter().collect(),
        infos: Vec::new(),
    }
}
