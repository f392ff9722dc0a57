//! Through the front door: the real application, its API, and the people who use it.

mod edge;
mod every_route;
mod support;
