"""An independent reader: what kafka-python makes of a partition's .log files.

Prints one line per segment: name, batches, records, bytes of keys, values and headers, first and last
offset, and the CRC-32 (zlib's) over all keys and values. Exits with 1 where a batch's CRC is wrong.
"""
import sys
import zlib
from pathlib import Path

from kafka.record import MemoryRecords

for log in sorted(Path(sys.argv[1]).glob("*.log")):
    batches = records = length = crc = 0
    offsets = []
    reader = MemoryRecords(log.read_bytes())
    while reader.has_next():
        batch = reader.next_batch()
        if not batch.validate_crc():
            sys.exit(f"{log.name}: the CRC of the batch at offset {batch.base_offset} is wrong")
        batches += 1
        for record in batch:
            records += 1
            offsets.append(record.offset)
            parts = [record.key, record.value] + [part for header in record.headers for part in header]
            for part in parts:
                part = part.encode() if isinstance(part, str) else part or b""
                length += len(part)
                crc = zlib.crc32(part, crc)
    print(log.name, batches, records, length, offsets[0], offsets[-1], f"{crc:08x}")
