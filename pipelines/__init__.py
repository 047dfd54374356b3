"""The arithmetic of billing: frames in, frames out; no file, no clock, no environment, no database."""
