//! The types of problems, by the names that the handlers use.

pub(super) use edge_cache_api::ProblemType as Kind;

macro_rules! kinds {
    ($($name:ident: $problem_type:ident;)*) => {
        $(pub(super) const $name: Kind = Kind::$problem_type;)*
    };
}

kinds! {
    INVALID_NODE_ID: InvalidNodeId;
    INVALID_QUERY: InvalidQuery;
    MALFORMED_JSON: MalformedJson;
    BODY_CUT_OFF: BodyCutOff;
    UNAUTHORIZED: Unauthorized;
    ROLE_TOO_LOW: Forbidden;
    NOT_LOCAL: NotLocal;
    NODE_NOT_FOUND: NodeNotFound;
    NO_SUCH_ROUTE: NoSuchRoute;
    NO_SUCH_METHOD: NoSuchMethod;
    BODY_TOO_SLOW: BodyTooSlow;
    REGISTRY_FULL: RegistryFull;
    CHANGED_MEANWHILE: ChangedMeanwhile;
    BODY_TOO_LARGE: BodyTooLarge;
    NOT_WASM: NotWasm;
    NOT_JSON: NotJson;
    INVALID_BODY: InvalidBody;
    LABELS_REFUSED: LabelsRefused;
    PLUGIN_REFUSED: PluginRefused;
    INVALID_CAPACITY: InvalidCapacity;
    BUSY: Busy;
    PLUGIN_FAILED: PluginFailed;
    STORE_FAILED: StoreFailed;
    SHUTTING_DOWN: ShuttingDown;
    NOT_MET: NotMet;
    TOO_MANY_SUBSCRIBERS: TooManySubscribers;
}
