#include "fleet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account.h"
#include "gadget_plan.h"
#include "file.h"
#include "warm.h"

static int make_folder(const struct fleet *f, const char *name, struct err *e)
{
	AUTO_STRUCT(buf) path = { 0 };
	const char *text;

	if (buf_printf(&path, e, "%s/%s", f->dir, name) != 0 || (text = buf_str(&path, e)) == NULL)
		return -1;
	return file_mkdir(text, 0755, e);
}

static int open_devices(struct fleet *f, struct err *e)
{
	size_t count = (size_t)f->options->devices;

	f->devices = calloc(count, sizeof(*f->devices));
	if (f->devices == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++)
		if (options_serial(f->options, (int64_t)i + 1, f->devices[i].serial,
			sizeof(f->devices[i].serial), e) != 0)
			return -1;
	return 0;
}

/* What a device's process and this one have together. */
static int share_memory(struct fleet_slot *s, struct err *e)
{
	void *page = mmap(NULL, sizeof(*s->plugged), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return err_errno(e, ERR_CONFIG, "twin.dir", "sharing memory");
	s->plugged = page;
	return 0;
}

static int open_slots(struct fleet *f, struct err *e)
{
	size_t count = (size_t)f->options->slots;

	f->slots = calloc(count, sizeof(*f->slots));
	if (f->slots == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++) {
		if (share_memory(&f->slots[i], e) != 0)
			return -1;
		if (asprintf(&f->slots[i].port, "%s/port/%zu", f->dir, i + 1) < 0) {
			f->slots[i].port = NULL;
			return err_nomem(e);
		}
		/* of a run that was killed */
		if (unlink(f->slots[i].port) != 0 && errno != ENOENT)
			return err_errno(e, ERR_CONFIG, "twin.port", "removing %s",
			    f->slots[i].port);
	}
	return 0;
}

/* The devices' folder, and what their family has in it for all. */
static int make_devices(struct fleet *f, struct err *e)
{
	AUTO_STRUCT(buf) path = { 0 };

	if (make_folder(f, "device", e) != 0 || buf_printf(&path, e, "%s/device", f->dir) != 0 ||
	    buf_str(&path, e) == NULL)
		return -1;
	if (f->options->family->prepare != NULL &&
	    f->options->family->prepare((const char *)path.data, e) != 0)
		return -1;
	return open_devices(f, e);
}

int fleet_open(struct fleet *ret, const struct options *options, struct err *e)
{
	AUTO_STRUCT(fleet) f = { .options = options };

	if (file_mkdir(options->dir, 0755, e) != 0)
		return -1;
	f.dir = realpath(options->dir, NULL);
	if (f.dir == NULL)
		return err_errno(e, ERR_CONFIG, "twin.dir", "finding %s", options->dir);
	if (account_open(options->log, &f.log, e) != 0 || make_folder(&f, "port", e) != 0 ||
	    make_devices(&f, e) != 0 || open_slots(&f, e) != 0 ||
	    options->skin->open(&f.skin, options, e) != 0 || warm_up(e) != 0)
		return -1;
	*ret = f;
	memset(&f, 0, sizeof(f));
	return 0;
}

/* Of a device that is gone. */
static void clear(struct fleet *f, struct fleet_slot *s)
{
	(void)unlink(s->port); /* it may be gone already */
	if (s->full)
		account_log(f, s);
	f->options->skin->unplugged(f->skin, (size_t)(s - f->slots));
	s->full = false;
}

/* The device leaves, or its process and all its children go; then what it showed, which it may just have made. */
static void empty(struct fleet *f, struct fleet_slot *s)
{
	if (!s->full)
		return;
	if (s->plugged->config.unplugged == 0 || !attachment_leave(&s->process))
		attachment_end(&s->process);
	clear(f, s);
}

void fleet_close(struct fleet *f)
{
	for (int64_t i = 0; f->slots != NULL && i < f->options->slots; i++) {
		attachment_end(&f->slots[i].process);
		if (f->slots[i].full)
			clear(f, &f->slots[i]);
		free(f->slots[i].port);
		if (f->slots[i].plugged != NULL)
			(void)munmap(f->slots[i].plugged,
			    sizeof(struct fleet_plugged)); /* it was mapped */
	}
	if (f->skin != NULL)
		f->options->skin->close(f->skin);
	if (f->log != NULL)
		(void)fclose(f->log); /* every line was flushed, or said not to be */
	free(f->slots);
	free(f->devices);
	free(f->dir);
}

static int find_slot(const struct fleet *f, int64_t slot, struct fleet_slot **ret, struct err *e)
{
	if (slot < 1 || slot > f->options->slots)
		return err_set(e, ERR_CONFIG, "twin.slot", "there is no slot %" PRId64, slot);
	*ret = &f->slots[slot - 1];
	return 0;
}

/* What a device says its serial is: a duplicate has its neighbour's. */
static const char *claimed_serial(const struct fleet *f, size_t device, const char *fault)
{
	if (fault == NULL || strcmp(fault, "duplicate-serial") != 0)
		return f->devices[device].serial;
	if (device > 0)
		return f->devices[device - 1].serial;
	return f->devices[f->options->devices > 1 ? 1 : 0].serial;
}

/* Every device its own choices, the same ones in every run with this seed. */
static uint64_t device_seed(const struct fleet *f, size_t device)
{
	return (uint64_t)f->options->seed + (device + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static bool is_duplicate(const char *fault)
{
	return fault != NULL && strncmp(fault, "duplicate-serial", 16) == 0;
}

/* Without a number one pair is enough: the second device has the first one's serial. */
static const char *fault_of(const struct fleet *f, size_t device)
{
	const char *fault = options_fault_of(f->options, (int64_t)device + 1);

	if (!is_duplicate(fault) || device == 1)
		return fault;
	for (size_t i = 0; i < f->options->fault_count; i++)
		if (f->options->faults[i].device == (int64_t)device + 1)
			return fault;
	return NULL;
}

static int make_device_folder(struct fleet *f, struct fleet_slot *s, size_t device, struct err *e)
{
	char *folder = s->plugged->folder;

	if (snprintf(folder, PATH_MAX, "%s/device/%s", f->dir, f->devices[device].serial) >=
	    PATH_MAX)
		return err_set(e, ERR_CONFIG, "twin.dir", "%s is too long", f->dir);
	return file_mkdir(folder, 0755, e);
}

static void describe(struct fleet *f, struct fleet_slot *s, size_t device)
{
	const struct options *o = f->options;
	const char *fault = fault_of(f, device);
	bool on_usb = gadget_plan_is(fault);
	struct fleet_plugged *p = s->plugged;

	p->account = (struct twin_account){ .step = -1 };
	p->config = (struct twin_config){ .model = o->model,
		.variant = o->variant,
		.keygen_ms = o->keygen_ms,
		.baud = o->baud,
		.usb = o->skin->usb,
		.account = &p->account,
		.unplugged = o->family->leaves && !o->skin->usb ? ATTACHMENT_UNPLUGGED : 0,
		.seed = device_seed(f, device),
		.folder = p->folder,
		.serial = claimed_serial(f, device, fault),
		.fault = is_duplicate(fault) || on_usb ? NULL : fault };
	p->plug = (struct skin_plug){ .family = o->family,
		.config = &p->config,
		.fault = on_usb ? fault : NULL,
		.port = s->port,
		.slot = (size_t)(s - f->slots) };
}

static int start(struct fleet *f, struct fleet_slot *s, size_t device, struct err *e)
{
	const struct skin_ops *ops = f->options->skin;

	if (make_device_folder(f, s, device, e) != 0)
		return -1;
	describe(f, s, device);
	if (s->process.pid != 0)
		return attachment_follow(&s->process, e);
	return attachment_start(&s->process, ops, f->skin, &s->plugged->plug, e);
}

static int plug(struct fleet *f, struct fleet_slot *s, size_t device, struct err *e)
{
	if (start(f, s, device, e) != 0) {
		attachment_end(&s->process);
		clear(f, s);
		return -1;
	}
	s->full = true;
	s->device = device;
	f->devices[device].used = true;
	return f->options->skin->plugged(f->skin, &s->plugged->plug, e);
}

static int check_empty(const struct fleet_slot *s, int64_t slot, struct err *e)
{
	if (!s->full)
		return 0;
	return err_set(e, ERR_CONFIG, "twin.slot", "slot %" PRId64 " is not empty", slot);
}

int fleet_plug_next(struct fleet *f, int64_t slot, const char **ret_serial, struct err *e)
{
	struct fleet_slot *s = NULL;

	if (find_slot(f, slot, &s, e) != 0 || check_empty(s, slot, e) != 0)
		return -1;
	*ret_serial = NULL;
	for (size_t i = 0; i < (size_t)f->options->devices; i++) {
		if (f->devices[i].used)
			continue;
		*ret_serial = f->devices[i].serial;
		return plug(f, s, i, e);
	}
	return 0;
}

static bool is_plugged(const struct fleet *f, size_t device)
{
	for (int64_t i = 0; i < f->options->slots; i++)
		if (f->slots[i].full && f->slots[i].device == device)
			return true;
	return false;
}

int fleet_plug(struct fleet *f, int64_t slot, const char *serial, struct err *e)
{
	struct fleet_slot *s = NULL;

	if (find_slot(f, slot, &s, e) != 0 || check_empty(s, slot, e) != 0)
		return -1;
	for (size_t i = 0; i < (size_t)f->options->devices; i++) {
		if (strcmp(f->devices[i].serial, serial) != 0)
			continue;
		if (is_plugged(f, i))
			return err_set(e, ERR_CONFIG, "twin.serial", "%s is plugged already",
			    serial);
		return plug(f, s, i, e);
	}
	return err_set(e, ERR_CONFIG, "twin.serial", "there is no device %s", serial);
}

int fleet_unplug(struct fleet *f, int64_t slot, const char **ret_serial, struct err *e)
{
	struct fleet_slot *s = NULL;

	if (find_slot(f, slot, &s, e) != 0)
		return -1;
	*ret_serial = s->full ? f->devices[s->device].serial : NULL;
	empty(f, s);
	return 0;
}

void fleet_reap(struct fleet *f)
{
	for (int64_t i = 0; i < f->options->slots; i++) {
		struct fleet_slot *s = &f->slots[i];

		if (attachment_has_ended(&s->process) && s->full)
			clear(f, s);
	}
}

int fleet_turn(struct fleet *f, struct err *e)
{
	return f->options->skin->turn(f->skin, e);
}

int fleet_watch(const struct fleet *f)
{
	return f->options->skin->watch(f->skin);
}

static const char *place_of(const struct fleet *f, int64_t i)
{
	return f->options->skin->place(f->skin, (size_t)i);
}

/* Takes over value, which may be NULL. */
static json_t *append(json_t *list, json_t *value)
{
	if (list != NULL && json_array_append_new(list, value) == 0)
		return list;
	json_decref(list);
	return NULL;
}

json_t *fleet_list(const struct fleet *f)
{
	json_t *list = json_array();

	for (int64_t i = 0; i < f->options->slots; i++) {
		const struct fleet_slot *s = &f->slots[i];
		const char *serial = s->full ? f->devices[s->device].serial : NULL;

		list =
		    append(list, json_pack("{s:I, s:s, s:s*, s:s*, s:I}", "slot", (json_int_t)i + 1,
				     "port", s->port, "place", place_of(f, i), "serial", serial,
				     "busy_us", (json_int_t)s->plugged->account.busy_us));
	}
	return list;
}

json_t *fleet_ports(const struct fleet *f)
{
	json_t *list = json_array();

	for (int64_t i = 0; i < f->options->slots; i++)
		list = append(list, json_string(f->slots[i].port));
	return list;
}

json_t *fleet_places(const struct fleet *f)
{
	json_t *list = json_array();

	for (int64_t i = 0; i < f->options->slots; i++)
		list = append(list, json_pack("s?", place_of(f, i)));
	return list;
}

json_t *fleet_serials(const struct fleet *f)
{
	json_t *list = json_array();

	for (int64_t i = 0; i < f->options->devices; i++)
		list = append(list, json_string(f->devices[i].serial));
	return list;
}
