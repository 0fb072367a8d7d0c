mod rules;
mod tokens;
