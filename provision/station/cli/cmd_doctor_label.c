#include "cmd_doctor.h"

#include "label_unit.h"
#include "printer_address.h"

enum { PRINTER_MS = 3000 };

int doctor_check_label(const struct config *c, struct err *ret_printer, struct err *e)
{
	AUTO_PTR(label) *label = NULL;
	AUTO_PTR(profile) *profile = NULL;
	AUTO_STRUCT(buf) zpl = { 0 };
	struct printer_address address;
	struct err told = { 0 }; /* as the profile's */
	bool has_profile = profile_load(&profile, c->profile, &told) == 0;

	if (label_load(&label, c->label_template, e) != 0 ||
	    label_of_example(label, c, has_profile ? profile : NULL, &zpl, e) != 0 ||
	    printer_address_parse(c->label_printer, &address, e) != 0)
		return -1;
	if (printer_address_try(&address, PRINTER_MS, ret_printer) != 0)
		return 0; /* units are made without it */
	*ret_printer = (struct err){ 0 };
	return 0;
}
