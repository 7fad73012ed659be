//! PromQL: parse and evaluate, pure; declares the trait it reads series through.
