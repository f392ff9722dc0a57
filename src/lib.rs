//! Portcullis: one executable that gives a small team a hardened backend.
//!
//! The modules stand in bands, lowest first. A file may use what stands before it, never what comes later.

// Ground: what everything stands on.
pub mod described;
pub mod refusal;
pub mod error;
pub mod ids;
pub mod validate;
pub mod clock;
pub mod cron;
pub mod priority;
pub mod actor;
pub mod config;
pub mod secrets;

// Machinery: how things are stored, run and spoken over HTTP, whatever they are.
pub mod storage;
pub mod personal;
pub mod filter;
pub mod cache;
pub mod jobs;
pub mod outbound;
pub mod objects;
pub mod mail;

pub mod web;

// Permission: who may do what, without SQL.
pub mod permit;

// Trust: who did what, who may, who is it.
pub mod audit;
pub mod observation;

pub mod access;
pub mod identity;

// Product: what a team comes for.
pub mod inspection;
pub mod settings;
pub mod rotation;
pub mod data;
pub mod kill_switch;
pub mod rate_limit;
pub mod decisions;
pub mod webhooks;
pub mod background;
pub mod backup;
pub mod events;
pub mod observability;
pub mod alerts;
pub mod doctor;

// Outside: how people and programs reach it.
pub mod console;
pub mod front_end;
pub mod server;
pub mod cli;
