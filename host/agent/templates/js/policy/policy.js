// A policy: nodes need some disk, and those without a geo get no traffic.

import { get } from "wasi:config/store@0.2.0-rc.1";

export const policy = {
  admit(nodeId, capacity) {
    const least = leastDiskMib();
    if (capacity.diskMib < least) {
      throw `disk_mib must be at least ${least}`;
    }
    return capacity;
  },

  assess(nodeId, labels, candidate) {
    leastDiskMib(); // A plugin with a wrong setting is refused.
    return candidate?.geo ? candidate : undefined;
  },
};

function leastDiskMib() {
  const text = get("policy.least_disk_mib") ?? "10240";
  if (!/^[0-9]{1,19}$/.test(text)) {
    throw `policy.least_disk_mib must be a number, not ${JSON.stringify(text)}`;
  }
  return BigInt(text);
}
