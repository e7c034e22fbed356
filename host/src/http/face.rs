//! A face's routes, put together so that what is served can be listed: the document of the faces is held against it.

use super::App;
use axum::{
    Router,
    handler::Handler,
    routing::{MethodRouter, get, post, put},
};
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
