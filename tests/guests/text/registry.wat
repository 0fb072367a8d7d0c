;; A registry written by hand: nodes with a core, traffic follows their number. It holds 24,000 nodes.
;;
;; Memory: texts from 0, areas for calls from 0x200, nodes from 0x10000, what a call is given from 0x400000. A node has
;; the 80 bytes of an `entry` in the canonical ABI, and behind them the up to 64 bytes of its geo.
(module
  (import "zlayer:edge-cache/gossip-labels@0.1.0" "publish" (func $publish (param i64 i32 i32 i32)))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (param i32)))
  (memory (export "memory") 128)
  (global $count (mut i32) (i32.const 0))
  (global $top (mut i32) (i32.const 0x400000))
  ;; Set when a call has ended: what it was given is free again with the next one.
  (global $ended (mut i32) (i32.const 0))

  (data (i32.const 0x00) "edge_cache")
  (data (i32.const 0x20) "true")
  (data (i32.const 0x40) "edge_cache_cpu")
  (data (i32.const 0x60) "edge_cache_ram_mib")
  (data (i32.const 0x80) "edge_cache_disk_mib")
  (data (i32.const 0xa0) "edge_cache_geo")
  (data (i32.const 0xc0) "cpu_cores must be at least 1")
  (data (i32.const 0xe0) "the labels are too large")

  (func $cabi_realloc (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (local $at i32)
    (if (global.get $ended) (then (global.set $top (i32.const 0x400000)) (global.set $ended (i32.const 0))))
    (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $at) (local.get $new)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $top) (i32.shl (memory.size) (i32.const 16))))
      (br_if $fits (i32.ne (i32.const -1)
        (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $new) (i32.const 16))))))
      unreachable)
    (memory.copy (local.get $at) (local.get $old) (local.get $size))
    (local.get $at))

  (func $at (param $index i32) (result i32)
    (i32.add (i32.const 0x10000) (i32.mul (local.get $index) (i32.const 144))))

  ;; The place of the first node with at least this id.
  (func $place (param $id i64) (result i32)
    (local $low i32) (local $high i32) (local $middle i32)
    (local.set $high (global.get $count))
    (loop $search
      (if (i32.lt_u (local.get $low) (local.get $high)) (then
        (local.set $middle (i32.shr_u (i32.add (local.get $low) (local.get $high)) (i32.const 1)))
        (if (i64.lt_u (i64.load (call $at (local.get $middle))) (local.get $id))
          (then (local.set $low (i32.add (local.get $middle) (i32.const 1))))
          (else (local.set $high (local.get $middle))))
        (br $search))))
    (call $at (local.get $low)))

  ;; The place of a node; 0 where it is not registered.
  (func $find (param $id i64) (result i32)
    (local $found i32)
    (local.set $found (call $place (local.get $id)))
    (if (i32.eq (local.get $found) (call $at (global.get $count))) (then (return (i32.const 0))))
    (select (local.get $found) (i32.const 0) (i64.eq (i64.load (local.get $found)) (local.get $id))))

  (func $take_out (param $id i64)
    (local $found i32) (local $next i32)
    (local.set $found (call $find (local.get $id)))
    (if (i32.eqz (local.get $found)) (then return))
    (local.set $next (i32.add (local.get $found) (i32.const 144)))
    (memory.copy (local.get $found) (local.get $next)
      (i32.sub (call $at (global.get $count)) (local.get $next)))
    (global.set $count (i32.sub (global.get $count) (i32.const 1))))

  (func $put (param $entry i32)
    (local $place i32) (local $id i64) (local $geo i32)
    (local.set $id (i64.load (local.get $entry)))
    (call $take_out (local.get $id))
    (if (i32.eq (global.get $count) (i32.const 24000)) (then unreachable))
    (local.set $place (call $place (local.get $id)))
    (memory.copy (i32.add (local.get $place) (i32.const 144)) (local.get $place)
      (i32.sub (call $at (global.get $count)) (local.get $place)))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (memory.copy (local.get $place) (local.get $entry) (i32.const 80))
    (if (i32.load8_u offset=32 (local.get $entry)) (then
      (if (i32.gt_u (i32.load offset=40 (local.get $entry)) (i32.const 64)) (then unreachable))
      (memory.copy (i32.add (local.get $place) (i32.const 80))
        (i32.load offset=36 (local.get $entry)) (i32.load offset=40 (local.get $entry))))))

  (func $label (param $index i32) (param $key i32) (param $key_length i32) (param $value i32) (param $length i32)
    (local $label i32)
    (local.set $label (i32.add (i32.const 0x200) (i32.shl (local.get $index) (i32.const 4))))
    (i32.store (local.get $label) (local.get $key))
    (i32.store offset=4 (local.get $label) (local.get $key_length))
    (i32.store offset=8 (local.get $label) (local.get $value))
    (i32.store offset=12 (local.get $label) (local.get $length)))

  ;; A label with a number, whose digits end at `end`.
  (func $number (param $index i32) (param $key i32) (param $key_length i32) (param $value i64) (param $end i32)
    (local $at i32)
    (local.set $at (local.get $end))
    (loop $digits
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
      (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
      (br_if $digits (i64.ne (local.get $value) (i64.const 0))))
    (call $label (local.get $index) (local.get $key) (local.get $key_length) (local.get $at)
      (i32.sub (local.get $end) (local.get $at))))

  ;; Publishes the complete labels of an entry. Returns 1 where they are refused.
  (func $show (param $entry i32) (result i32)
    (call $label (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 0x20) (i32.const 4))
    (call $number (i32.const 1) (i32.const 0x40) (i32.const 14) (i64.load32_u offset=8 (local.get $entry)) (i32.const 0x2a0))
    (call $number (i32.const 2) (i32.const 0x60) (i32.const 18) (i64.load offset=16 (local.get $entry)) (i32.const 0x2c0))
    (call $number (i32.const 3) (i32.const 0x80) (i32.const 19) (i64.load offset=24 (local.get $entry)) (i32.const 0x2e0))
    (call $label (i32.const 4) (i32.const 0xa0) (i32.const 14) (i32.load offset=36 (local.get $entry)) (i32.load offset=40 (local.get $entry)))
    (call $publish (i64.load (local.get $entry)) (i32.const 0x200)
      (i32.add (i32.const 4) (i32.load8_u offset=32 (local.get $entry))) (i32.const 0x300))
    (i32.load8_u (i32.const 0x300)))

  ;; Publishes that a node is no edge cache. Returns 1 where that is refused.
  (func $hide (param $id i64) (result i32)
    (call $publish (local.get $id) (i32.const 0x200) (i32.const 0) (i32.const 0x300))
    (i32.load8_u (i32.const 0x300)))

  ;; Writes the text of a refusal.
  (func $why (param $to i32)
    (if (i32.eq (i32.load8_u (i32.const 0x304)) (i32.const 1))
      (then (i64.store (local.get $to) (i64.const 0x18_0000_00e0)))
      (else (i64.store (local.get $to) (i64.load (i32.const 0x308))))))

  ;; Answers an error of this tag; what belongs to it follows at 0x350.
  (func $error (param $tag i32) (result i32)
    (i32.store8 (i32.const 0x340) (i32.const 1))
    (i32.store8 (i32.const 0x348) (local.get $tag))
    (i32.const 0x340))

  (func $not_found (param $id i64) (result i32)
    (i64.store (i32.const 0x350) (local.get $id))
    (call $error (i32.const 1)))

  (func $end
    (global.set $ended (i32.const 1)))

  (func (export "zlayer:edge-cache/registry@0.1.0#enable")
    (param $id i64) (param $cores i32) (param $ram i64) (param $disk i64) (param $has_geo i32) (param $geo i32) (param $length i32)
    (result i32)
    (call $end)
    (if (i32.eqz (local.get $cores)) (then
      (i64.store (i32.const 0x350) (i64.const 0x1c_0000_00c0))
      (return (call $error (i32.const 2)))))
    (memory.fill (i32.const 0x400) (i32.const 0) (i32.const 80))
    (i64.store (i32.const 0x400) (local.get $id))
    (i32.store (i32.const 0x408) (local.get $cores))
    (i64.store (i32.const 0x410) (local.get $ram))
    (i64.store (i32.const 0x418) (local.get $disk))
    (i32.store (i32.const 0x420) (local.get $has_geo))
    (i32.store (i32.const 0x424) (local.get $geo))
    (i32.store (i32.const 0x428) (local.get $length))
    (call $now (i32.const 0x430))
    (i32.store (i32.const 0x438) (i32.sub (i32.load (i32.const 0x438))
      (i32.rem_u (i32.load (i32.const 0x438)) (i32.const 1000000))))
    (if (call $show (i32.const 0x400)) (then
      (call $why (i32.const 0x350))
      (return (call $error (i32.const 0)))))
    (call $put (i32.const 0x400))
    (i32.store8 (i32.const 0x340) (i32.const 0))
    (memory.copy (i32.const 0x348) (i32.const 0x400) (i32.const 64))
    (i32.const 0x340))

  (func (export "zlayer:edge-cache/registry@0.1.0#disable") (param $id i64) (result i32)
    (call $end)
    (if (i32.eqz (call $find (local.get $id))) (then (return (call $not_found (local.get $id)))))
    (if (call $hide (local.get $id)) (then
      (call $why (i32.const 0x350))
      (return (call $error (i32.const 0)))))
    (call $take_out (local.get $id))
    (i32.store8 (i32.const 0x340) (i32.const 0))
    (i32.const 0x340))

  (func (export "zlayer:edge-cache/registry@0.1.0#is-enabled") (param $id i64) (result i32)
    (i32.ne (call $find (local.get $id)) (i32.const 0)))

  (func (export "zlayer:edge-cache/registry@0.1.0#list-eligible") (result i32)
    (local $list i32) (local $index i32) (local $node i32) (local $from i32)
    (local.set $list (call $cabi_realloc (i32.const 0) (i32.const 0) (i32.const 8)
      (i32.shl (global.get $count) (i32.const 6))))
    (call $end)
    (block $all (loop $each
      (br_if $all (i32.eq (local.get $index) (global.get $count)))
      (local.set $from (call $at (local.get $index)))
      (local.set $node (i32.add (local.get $list) (i32.shl (local.get $index) (i32.const 6))))
      (memory.copy (local.get $node) (local.get $from) (i32.const 64))
      (i32.store offset=36 (local.get $node) (i32.add (local.get $from) (i32.const 80)))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br $each)))
    (i32.store (i32.const 0x340) (local.get $list))
    (i32.store (i32.const 0x344) (global.get $count))
    (i32.const 0x340))

  (func (export "zlayer:edge-cache/registry@0.1.0#stats") (param $id i64) (result i32)
    (local $found i32)
    (memory.fill (i32.const 0x340) (i32.const 0) (i32.const 16))
    (local.set $found (call $find (local.get $id)))
    (if (local.get $found) (then
      (memory.copy (i32.const 0x340) (i32.add (local.get $found) (i32.const 64)) (i32.const 16))))
    (i32.const 0x340))

  ;; A sum that stays at the largest number.
  (func $sum (param $a i64) (param $b i64) (result i64)
    (select (i64.const -1) (i64.add (local.get $a) (local.get $b))
      (i64.gt_u (local.get $a) (i64.sub (i64.const -1) (local.get $b)))))

  (func (export "zlayer:edge-cache/registry@0.1.0#add-stats") (param $id i64) (param $hits i64) (param $misses i64) (result i32)
    (local $found i32)
    (local.set $found (call $find (local.get $id)))
    (if (i32.eqz (local.get $found)) (then (return (call $not_found (local.get $id)))))
    (i64.store offset=64 (local.get $found) (call $sum (i64.load offset=64 (local.get $found)) (local.get $hits)))
    (i64.store offset=72 (local.get $found) (call $sum (i64.load offset=72 (local.get $found)) (local.get $misses)))
    (i32.store8 (i32.const 0x340) (i32.const 0))
    (memory.copy (i32.const 0x348) (i32.add (local.get $found) (i32.const 64)) (i32.const 16))
    (i32.const 0x340))

  (func $refused (result i32)
    (i32.store8 (i32.const 0x340) (i32.const 1))
    (call $why (i32.const 0x344))
    (i32.const 0x340))

  ;; Publish all, then commit all. What was published before a refusal, the host forgets.
  (func (export "zlayer:edge-cache/state@0.1.0#load") (param $entries i32) (param $length i32) (result i32)
    (local $at i32) (local $end i32)
    (call $end)
    (local.set $at (local.get $entries))
    (local.set $end (i32.add (local.get $entries) (i32.mul (local.get $length) (i32.const 80))))
    (block $all (loop $each
      (br_if $all (i32.eq (local.get $at) (local.get $end)))
      (if (call $show (local.get $at)) (then (return (call $refused))))
      (local.set $at (i32.add (local.get $at) (i32.const 80)))
      (br $each)))
    (local.set $at (local.get $entries))
    (block $all (loop $each
      (br_if $all (i32.eq (local.get $at) (local.get $end)))
      (call $put (local.get $at))
      (local.set $at (i32.add (local.get $at) (i32.const 80)))
      (br $each)))
    (i32.store8 (i32.const 0x340) (i32.const 0))
    (i32.const 0x340))

  (func (export "zlayer:edge-cache/state@0.1.0#apply") (param $changes i32) (param $length i32) (result i32)
    (local $at i32) (local $end i32)
    (call $end)
    (local.set $at (local.get $changes))
    (local.set $end (i32.add (local.get $changes) (i32.mul (local.get $length) (i32.const 88))))
    (block $all (loop $each
      (br_if $all (i32.eq (local.get $at) (local.get $end)))
      (if (i32.load8_u (local.get $at))
        (then (if (call $hide (i64.load offset=8 (local.get $at))) (then (return (call $refused)))))
        (else (if (call $show (i32.add (local.get $at) (i32.const 8))) (then (return (call $refused))))))
      (local.set $at (i32.add (local.get $at) (i32.const 88)))
      (br $each)))
    (local.set $at (local.get $changes))
    (block $all (loop $each
      (br_if $all (i32.eq (local.get $at) (local.get $end)))
      (if (i32.load8_u (local.get $at))
        (then (call $take_out (i64.load offset=8 (local.get $at))))
        (else (call $put (i32.add (local.get $at) (i32.const 8)))))
      (local.set $at (i32.add (local.get $at) (i32.const 88)))
      (br $each)))
    (i32.store8 (i32.const 0x340) (i32.const 0))
    (i32.const 0x340))

  (func $is (param $text i32) (param $length i32) (param $other i32) (param $other_length i32) (result i32)
    (if (i32.ne (local.get $length) (local.get $other_length)) (then (return (i32.const 0))))
    (block $same (loop $each
      (br_if $same (i32.eqz (local.get $length)))
      (local.set $length (i32.sub (local.get $length) (i32.const 1)))
      (br_if $each (i32.eq (i32.load8_u (i32.add (local.get $text) (local.get $length)))
                           (i32.load8_u (i32.add (local.get $other) (local.get $length)))))
      (return (i32.const 0))))
    (i32.const 1))

  ;; The number of at most ten digits that a text is; -1 where it is none. Labels of other nodes may hold anything.
  (func $parsed (param $text i32) (param $length i32) (result i64)
    (local $end i32) (local $digit i32) (local $number i64)
    (if (i32.gt_u (i32.sub (local.get $length) (i32.const 1)) (i32.const 9)) (then (return (i64.const -1))))
    (local.set $end (i32.add (local.get $text) (local.get $length)))
    (loop $each
      (local.set $digit (i32.sub (i32.load8_u (local.get $text)) (i32.const 48)))
      (if (i32.gt_u (local.get $digit) (i32.const 9)) (then (return (i64.const -1))))
      (local.set $number (i64.add (i64.mul (local.get $number) (i64.const 10)) (i64.extend_i32_u (local.get $digit))))
      (local.set $text (i32.add (local.get $text) (i32.const 1)))
      (br_if $each (i32.ne (local.get $text) (local.get $end))))
    (local.get $number))

  (func (export "zlayer:edge-cache/placement@0.1.0#assess") (param $id i64) (param $labels i32) (param $length i32) (result i32)
    (local $end i32) (local $is_marked i32) (local $cores i64)
    (call $end)
    (local.set $cores (i64.const -1))
    (local.set $end (i32.add (local.get $labels) (i32.shl (local.get $length) (i32.const 4))))
    (block $all (loop $each
      (br_if $all (i32.eq (local.get $labels) (local.get $end)))
      (if (call $is (i32.load (local.get $labels)) (i32.load offset=4 (local.get $labels)) (i32.const 0) (i32.const 10)) (then
        (local.set $is_marked
          (call $is (i32.load offset=8 (local.get $labels)) (i32.load offset=12 (local.get $labels)) (i32.const 0x20) (i32.const 4)))))
      (if (call $is (i32.load (local.get $labels)) (i32.load offset=4 (local.get $labels)) (i32.const 0x40) (i32.const 14)) (then
        (local.set $cores (call $parsed (i32.load offset=8 (local.get $labels)) (i32.load offset=12 (local.get $labels))))))
      (local.set $labels (i32.add (local.get $labels) (i32.const 16)))
      (br $each)))
    (memory.fill (i32.const 0x340) (i32.const 0) (i32.const 24))
    (if (i32.and (local.get $is_marked) (i64.ne (local.get $cores) (i64.const -1))) (then
      (i32.store8 (i32.const 0x340) (i32.const 1))
      (if (i64.eqz (local.get $cores)) (then (local.set $cores (i64.const 1))))
      (i32.store (i32.const 0x344) (i32.wrap_i64 (select (local.get $cores) (i64.const 65535)
        (i64.lt_u (local.get $cores) (i64.const 65535)))))))
    (i32.const 0x340)))
