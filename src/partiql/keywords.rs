//! The words that have a place of their own in PartiQL: without quotation marks they are no names.
//!
//! Those are SQL-92's reserved words but for the parts of dates, and PartiQL's own. Source: the PartiQL specification's list of
//! keywords; DynamoDB's refusals of `key` and `inner` as names show that it goes by it.

/// Sorted, in lower case.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "absolute", "action", "add", "all", "allocate", "alter", "and", "any", "are", "as", "asc", "assertion", "at",
    "authorization", "avg", "bag", "begin", "between", "bit", "bit_length", "blob", "bool", "boolean", "both", "by",
    "cascade", "cascaded", "case", "cast", "catalog", "char", "char_length", "character", "character_length", "check",
    "clob", "close", "coalesce", "collate", "collation", "column", "commit", "connect", "connection", "constraint",
    "constraints", "continue", "convert", "corresponding", "count", "create", "cross", "current", "current_date",
    "current_time", "current_timestamp", "current_user", "cursor", "date", "deallocate", "dec", "decimal", "declare",
    "default", "deferrable", "deferred", "delete", "desc", "describe", "descriptor", "diagnostics", "disconnect",
    "distinct", "domain", "double", "drop", "else", "end", "escape", "except", "exception", "exec", "execute", "exists",
    "external", "extract", "false", "fetch", "first", "float", "for", "foreign", "found", "from", "full", "get",
    "global", "go", "goto", "grant", "group", "having", "identity", "immediate", "in", "indicator", "initially",
    "inner", "input", "insensitive", "insert", "int", "integer", "intersect", "interval", "into", "is", "isolation",
    "join", "key", "language", "last", "leading", "left", "level", "like", "limit", "list", "local", "lower", "match",
    "max", "min", "missing", "module", "names", "national", "natural", "nchar", "next", "no", "not", "null", "nullif",
    "numeric", "octet_length", "of", "on", "only", "open", "option", "or", "order", "outer", "output", "overlaps",
    "pad", "partial", "pivot", "position", "precision", "prepare", "preserve", "primary", "prior", "privileges",
    "procedure", "public", "read", "real", "references", "relative", "remove", "restrict", "revoke", "right",
    "rollback", "rows", "schema", "scroll", "section", "select", "session", "session_user", "set", "sexp", "size",
    "smallint", "some", "space", "sql", "sqlcode", "sqlerror", "sqlstate", "string", "struct", "substring", "sum",
    "symbol", "system_user", "table", "temporary", "then", "time", "timestamp", "to", "trailing", "transaction",
    "translate", "translation", "trim", "true", "tuple", "union", "unique", "unknown", "unpivot", "update", "upper",
    "usage", "user", "using", "value", "values", "varchar", "varying", "view", "when", "whenever", "where", "with",
    "work", "write", "zone",
];

/// The keywords that may be called like functions. All but `size` are then refused, as functions that DynamoDB does not have.
#[rustfmt::skip]
const CALLED: &[&str] = &[
    "avg", "cast", "char_length", "character_length", "coalesce", "count", "exists", "extract", "lower", "max", "min",
    "nullif", "size", "substring", "sum", "trim", "upper",
];

pub fn is_keyword(word: &str) -> bool {
    is_among(KEYWORDS, word)
}

pub fn may_be_called(word: &str) -> bool {
    is_among(CALLED, word)
}

fn is_among(words: &[&str], word: &str) -> bool {
    words.binary_search(&word.to_ascii_lowercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_are_sorted() {
        assert!(KEYWORDS.is_sorted() && CALLED.is_sorted());
    }

    #[test]
    fn parts_of_dates_and_common_names_are_no_keywords() {
        for word in ["year", "month", "day", "data", "name", "title", "sk", "pk", "status", "type", "tags"] {
            assert!(!is_keyword(word), "{word}");
        }
        assert!(is_keyword("Select") && is_keyword("inner") && may_be_called("SIZE"));
    }
}
