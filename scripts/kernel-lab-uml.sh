# Sourced by scripts/kernel-lab.sh: the lab in User Mode Linux, one processor.

build() { "$scripts/kernel-lab-build.sh"; }

# Sets `up` to the process that ends when the kernel does.
boot() {
  # The kernel's memory is a sparse file that must be able to grow to its full size.
  memory=/dev/shm
  free_mib=$(df --output=avail -m $memory 2>/dev/null | tail -n 1) || free_mib=0
  [ "${free_mib:-0}" -ge "$mem_mib" ] || memory=${TMPDIR:-/tmp}

  # One CPU: handing over between kernel and process costs four times as much between two.
  cpus=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
  [ "$(nproc)" -lt 2 ] || cpus=$((RANDOM % $(nproc)))
  TMPDIR=$memory timeout -k 5 "$timeout_s" taskset -c "$cpus" "$kernel" "mem=${mem_mib}M" \
    root=none rootfstype=hostfs rootflags=/ ro quiet panic=1 con=null con0=null,fd:1 ssl=null \
    "init=$scripts/kernel-lab-init.sh" "LAB_CTL=$run/ctl" "LAB_HOST_OUT=$out" \
    "umid=lab$$" "uml_dir=$run/uml" </dev/null >"$run/console" 2>&1 &
  up=$!
}

# The kernel leads a process group of its own; its I/O helper outlives a SIGKILL of the leader.
stop() {
  local group
  group=$(cat "$run/uml/lab$$/pid" 2>/dev/null) && kill -9 -- "-$group" 2>/dev/null
  kill -9 $up 2>/dev/null || true
}
