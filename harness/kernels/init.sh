#!/bin/busybox sh
# What does a guest do between its first process and power-off?
#
# It mounts what zclab looks at, checks scenarios on each file system, writes whatever came of it to the
# second disk as a tar archive, and powers off. A watchdog powers it off if it hangs.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tracefs tracefs /sys/kernel/tracing
mount -t tmpfs tmpfs /tmp
. /etc/guest
# What still runs then, and where it sleeps, is the last thing that is said.
(
  sleep "$LIMIT"
  echo "GUEST took more than $LIMIT s"
  dmesg -n 8
  echo w >/proc/sysrq-trigger
  ps | grep -v '\['
  poweroff -f
) &
(while sleep "$TICK"; do echo "GUEST lives"; done) &
for module in $(cat /lib/order); do insmod "/lib/$module.ko" || echo "GUEST insmod $module failed"; done
ip link set lo up
mkdir -p /mnt/ext4 /mnt/tmpfs /tmp/out
mount -t ext4 /dev/vda /mnt/ext4 || echo "GUEST cannot mount ext4"
mount -t tmpfs tmpfs /mnt/tmpfs
uname -r >/tmp/out/release
for filesystem in $FILESYSTEMS; do
  # Which scenarios: /etc/guest has a variable for each file system.
  eval "scenarios=\$CHECK_$filesystem"
  zclab check $scenarios --quiet --results "/tmp/results-$filesystem" \
    --logs "/mnt/$filesystem/logs" >"/tmp/out/$filesystem.txt" 2>&1
  code=$?
  echo "GUEST $filesystem: after $(cut -d. -f1 /proc/uptime) s zclab ended with $code" |
    tee -a "/tmp/out/$filesystem.txt"
  cp /tmp/results-"$filesystem"/runs/*/run.jsonl "/tmp/out/$filesystem.jsonl"
done
dmesg >/tmp/out/dmesg.txt
tar -C /tmp/out -cf /dev/vdb . && sync && echo "GUEST done"
umount /mnt/ext4
poweroff -f
