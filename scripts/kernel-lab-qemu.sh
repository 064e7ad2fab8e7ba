# Sourced by scripts/kernel-lab.sh for KERNEL_LAB=qemu: two processors (LAB_CPUS) and Debian's own
# kernel with OpenZFS as modules, the cross-check for what one processor hides. The kernel is made at
# the first use (scripts/kernel-lab-qemu-build.sh).

build() { "$scripts/kernel-lab-qemu-build.sh"; }

share() {
  echo "-fsdev local,id=$1,path=$2,security_model=none,multidevs=remap$3
    -device virtio-9p-pci,fsdev=$1,mount_tag=$1"
}

# Sets `up` to the process that ends when the kernel does.
boot() {
  # shellcheck disable=SC2046 # the paths are ours, without blanks
  timeout -k 5 "$timeout_s" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -machine q35 \
    -smp "${LAB_CPUS:-2}" -m "$mem_mib" -nodefaults -display none -no-reboot -serial stdio \
    -kernel "$kernel/vmlinuz" -initrd "$kernel/initrd" \
    -append "console=ttyS0 quiet panic=-1 LAB_BACKEND=qemu LAB_INIT=$scripts/kernel-lab-init.sh" \
    $(share host / ,readonly=on) $(share out "$out" "") $(share ctl "$run/ctl" "") \
    </dev/null >"$run/console" 2>&1 &
  up=$!
}

stop() {
  kill $up 2>/dev/null && wait $up || true # `timeout` hands it on
}
