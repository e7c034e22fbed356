//! A face's routes, put together so that what is served can be listed: the document of the faces is held against it.

use super::{App, problem::Problem};
use axum::{
    Router,
    extract::{FromRequestParts, Path},
    handler::Handler,
    http::request::Parts,
    routing::{MethodRouter, get, post, put},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Routes, and their methods and paths.
#[derive(Default)]
pub(super) struct Face {
    router: Router<Arc<App>>,
    listed: Vec<(&'static str, &'static str)>,
}

impl Face {
    fn route(
        mut self,
        method: &'static str,
        path: &'static str,
        to: MethodRouter<Arc<App>>,
    ) -> Self {
        self.listed.push((method, path));
        self.router = self.router.route(path, to);
        self
    }

    pub(super) fn get<T: 'static>(self, path: &'static str, to: impl Handler<T, Arc<App>>) -> Self {
        self.route("get", path, get(to))
    }

    pub(super) fn post<T: 'static>(
        self,
        path: &'static str,
        to: impl Handler<T, Arc<App>>,
    ) -> Self {
        self.route("post", path, post(to))
    }

    pub(super) fn put<T: 'static>(self, path: &'static str, to: impl Handler<T, Arc<App>>) -> Self {
        self.route("put", path, put(to))
    }

    pub(super) fn into_router(self) -> Router<Arc<App>> {
        self.router
    }

    /// Every method and path.
    #[cfg(test)]
    pub(super) fn listed(&self) -> &[(&'static str, &'static str)] {
        &self.listed
    }
}

/// The parameters of a path. Escapes that are no text name nothing that is here.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(names)| Self(names))
            .map_err(|_| Problem::not_found())
    }
}

#[cfg(test)]
mod tests {
    use crate::http::{agent, operator};
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// Method, path and tag of every operation of the document; a rest of a path is written without its star there.
    fn documented() -> BTreeSet<(String, String, String)> {
        let document: Value = serde_json::from_str(operator::OPENAPI).unwrap();
        let mut all = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                for tag in operation["tags"].as_array().unwrap() {
                    let tag = tag.as_str().unwrap().to_owned();
                    all.insert((method.clone(), path.clone(), tag));
                }
            }
        }
        all
    }

    #[test]
    fn the_document_lists_every_route_of_both_faces_and_no_other() {
        let faces = [("agents", agent::face()), ("operators", operator::face())];
        let served: BTreeSet<_> = faces
            .iter()
            .flat_map(|(tag, face)| face.listed().iter().map(move |route| (tag, route)))
            .map(|(tag, (method, path))| {
                (
                    (*method).to_owned(),
                    path.replace("{*", "{"),
                    (*tag).to_owned(),
                )
            })
            .collect();
        assert_eq!(documented(), served);
        let count: usize = faces.iter().map(|(_, face)| face.listed().len()).sum();
        assert_eq!(count, served.len(), "no route twice");
    }
}
