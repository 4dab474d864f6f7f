/* The mocked bus that mock_usb's devices are on: umockdev's testbed, made when it is first asked for. */
#ifndef KILN_TEST_MOCK_BED_H
#define KILN_TEST_MOCK_BED_H

#include <umockdev.h>

#define MOCK_CONTROLLER "/devices/pci0000:00/0000:00:14.0"
#define MOCK_ROOT_HUB   MOCK_CONTROLLER "/usb1"

UMockdevTestbed *mock_bed(void);

/* A device as umockdev-record writes it; numbers in hex are in capitals. */
void mock_bed_add(const char *text);

#endif
