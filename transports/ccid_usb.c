#include "ccid.h"

#include "usb.h"

const struct ccid_port ccid_usb_port = {
	.descriptor = usb_class_descriptor,
	.has_interrupt = usb_has_interrupt,
	.interrupt = usb_interrupt,
	.request = usb_class_request,
};
