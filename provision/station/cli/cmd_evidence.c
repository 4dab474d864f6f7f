/* kiln evidence: what proves a unit's identity, in a folder, in one tar file, or in one line for a program. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "evidence.h"
#include "file.h"
#include "source.h"

struct wish {
	struct source source;
	const char *serial, *folder, *tar;
	bool json;
};

/* Evidence of two units in one folder would look like one unit's. */
static int make_folder(const char *folder, struct err *e)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/csr.der", folder);
	if (access(path, F_OK) == 0)
		return err_set(e, ERR_CONFIG, "file",
		    "%s holds evidence already: name another folder", folder);
	return file_mkdir(folder, 0755, e);
}

static int write_folder(const struct evidence *v, const char *folder, struct err *e)
{
	if (make_folder(folder, e) != 0)
		return -1;
	for (size_t i = 0; i < v->count; i++) {
		const struct buf *bytes = &v->files[i].bytes;
		char path[4096];

		(void)snprintf(path, sizeof(path), "%s/%s", folder, v->files[i].name);
		if (file_write(path, bytes->data, bytes->len, 0644, e) != 0)
			return -1;
		(void)printf("%s\n", path);
	}
	return 0;
}

static int write_tar(const struct wish *w, const struct evidence *v, struct err *e)
{
	AUTO_STRUCT(buf) tar = { 0 };

	if (evidence_tar(v, w->serial, &tar, e) != 0)
		return -1;
	if (strcmp(w->tar, "-") != 0) {
		if (file_write(w->tar, tar.data, tar.len, 0644, e) != 0)
			return -1;
		(void)printf("%s\n", w->tar);
		return 0;
	}
	errno = 0;
	if (fwrite(tar.data, 1, tar.len, stdout) == tar.len && fflush(stdout) == 0)
		return 0;
	return err_errno(e, ERR_CONFIG, "file", "writing the tar file");
}

/* {"serial", "name": of the tar file, "tar": its bytes in base64} */
static int write_json(const struct wish *w, const struct evidence *v, struct err *e)
{
	AUTO(json_t) *line = json_object();
	AUTO_STRUCT(buf) tar = { 0 };
	char name[EVIDENCE_NAME_MAX + 1], file[EVIDENCE_NAME_MAX + 16];

	evidence_name(w->serial, name);
	(void)snprintf(file, sizeof(file), "%s-evidence.tar", name);
	if (evidence_tar(v, w->serial, &tar, e) != 0 ||
	    json_set_str(line, "serial", w->serial, e) != 0 ||
	    json_set_str(line, "name", file, e) != 0 ||
	    json_set_bytes(line, "tar", tar.data, tar.len, e) != 0)
		return -1;
	return cli_json(line) == EXIT_PASSED
		   ? 0
		   : err_set(e, ERR_CONFIG, "file", "the answer was not written");
}

static int make(struct wish *w, struct err *e)
{
	AUTO_STRUCT(evidence) v = { 0 };

	if (source_open(&w->source, false, e) != 0 ||
	    evidence_collect(&v, w->source.records, w->serial, e) != 0)
		return -1;
	if (v.count == 0)
		return err_set(e, ERR_OPERATOR, "evidence.none",
		    "of unit %s there is no evidence: no CSR of it was made", w->serial);
	if (w->folder != NULL)
		return write_folder(&v, w->folder, e);
	return w->json ? write_json(w, &v, e) : write_tar(w, &v, e);
}

static bool take_option(struct wish *w, int o)
{
	switch (o) {
	case 'd':
		w->folder = optarg;
		return true;
	case 't':
		w->tar = optarg;
		return true;
	case 'j':
		w->json = true;
		return true;
	case 'c':
		w->source.config_path = optarg;
		return true;
	case 'r':
		w->source.records_path = optarg;
		return true;
	default:
		return false;
	}
}

int cmd_evidence(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "tar", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "config", required_argument, NULL, 'c' },
		{ "records", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	struct wish w = { 0 };
	struct err e = { 0 };
	int o, rc;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(&w, o))
			return cli_usage(argv[0]);
	if (optind + 1 != argc || (w.folder != NULL) + (w.tar != NULL) + w.json != 1 ||
	    (w.source.config_path == NULL) == (w.source.records_path == NULL))
		return cli_usage(argv[0]);
	w.serial = argv[optind];
	rc = make(&w, &e);
	source_close(&w.source);
	return rc == 0 ? EXIT_PASSED : cli_fail_as(w.json, &e);
}
