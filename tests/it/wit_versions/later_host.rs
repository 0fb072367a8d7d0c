//! A host of a later version than the released ones, as far as a component sees it: its imports, under
//! their names of that version, with more of them than the component knows.

use wasmtime::component::{Component, Linker, LinkerInstance, Val};
use wasmtime::{Engine, Result, Store, format_err};

/// Labels that a plugin published, with their node.
type Published = Vec<String>;

/// Starts a component and has it enable node 7; answers what it has published.
pub(super) fn enable(component: &[u8], version: &str) -> Result<Published> {
    let engine = Engine::default();
    let component = Component::from_binary(&engine, component)?;
    let mut store = Store::new(&engine, Published::new());
    let instance = linker(&engine, version)?.instantiate(&mut store, &component)?;
    let interface = format!("zlayer:edge-cache/registry@{version}");
    let registry = instance
        .get_export_index(&mut store, None, &interface)
        .ok_or_else(|| format_err!("it does not export `{interface}`"))?;
    let enable = instance
        .get_export_index(&mut store, Some(&registry), "enable")
        .and_then(|enable| instance.get_func(&mut store, enable))
        .ok_or_else(|| format_err!("it does not export `enable`"))?;
    let capacity = record([
        ("cpu-cores", Val::U32(8)),
        ("ram-mib", Val::U64(16_384)),
        ("disk-mib", Val::U64(512_000)),
        ("geo", Val::Option(None)),
    ]);
    let mut results = [Val::Bool(false)];
    enable.call(&mut store, &[Val::U64(7), capacity], &mut results)?;
    match results {
        [Val::Result(Ok(_))] => Ok(store.into_data()),
        other => Err(format_err!("it answered {other:?}")),
    }
}

fn linker(engine: &Engine, version: &str) -> Result<Linker<Published>> {
    let mut linker: Linker<Published> = Linker::new(engine);
    let mut labels = linker.instance(&format!("zlayer:edge-cache/gossip-labels@{version}"))?;
    labels.func_new("publish", |mut store, _, params, results| {
        if let ([Val::U64(node), Val::List(labels)], [result]) = (params, results) {
            store.data_mut().push(format!("{node}: {labels:?}"));
            *result = Val::Result(Ok(None));
        }
        Ok(())
    })?;
    added(&mut labels, "published")?;
    let mut notices = linker.instance(&format!("zlayer:edge-cache/notices@{version}"))?;
    added(&mut notices, "notify")?;
    let mut clock = linker.instance("wasi:clocks/wall-clock@0.2.0")?;
    clock.func_new("now", |_, _, _, results| {
        if let [result] = results {
            *result = record([
                ("seconds", Val::U64(1_700_000_000)),
                ("nanoseconds", Val::U32(0)),
            ]);
        }
        Ok(())
    })?;
    Ok(linker)
}

/// Additions to the released versions.
fn added(interface: &mut LinkerInstance<'_, Published>, name: &str) -> Result<()> {
    interface.func_new(name, |_, _, _, _| {
        Err(format_err!("nobody of 0.1.0 calls this"))
    })
}

fn record<const N: usize>(fields: [(&str, Val); N]) -> Val {
    Val::Record(
        fields
            .into_iter()
            .map(|(name, value)| (name.to_string(), value))
            .collect(),
    )
}
