mod roles;
mod tokens;
