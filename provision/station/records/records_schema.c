#include "records_internal.h"

/* schema.sql as it is. The assembler finds it on the compiler's include path: this folder. */
__asm__(".pushsection .rodata\n"
	".globl kiln_records_schema\n"
	".hidden kiln_records_schema\n"
	"kiln_records_schema:\n"
	".incbin \"schema.sql\"\n"
	".byte 0\n"
	".popsection\n");
extern const char kiln_records_schema[];

enum { APPLICATION_ID = 0x6b696c6e }; /* "kiln" */

static const char append_only[] = "CREATE TRIGGER event_is_not_updated BEFORE UPDATE ON event"
				  " BEGIN SELECT RAISE(ABORT, 'events are append only'); END;"
				  "CREATE TRIGGER event_is_not_deleted BEFORE DELETE ON event"
				  " BEGIN SELECT RAISE(ABORT, 'events are append only'); END;"
				  "CREATE TRIGGER blob_is_not_updated BEFORE UPDATE ON blob"
				  " BEGIN SELECT RAISE(ABORT, 'blobs are append only'); END;"
				  "CREATE TRIGGER blob_is_not_deleted BEFORE DELETE ON blob"
				  " BEGIN SELECT RAISE(ABORT, 'blobs are append only'); END";

int records_schema_create(struct db *db, struct err *e)
{
	AUTO_STRUCT(buf) sql = { 0 };
	const char *text;

	if (buf_printf(&sql, e, "BEGIN IMMEDIATE; %s %s; PRAGMA application_id = %d;",
		kiln_records_schema, append_only, APPLICATION_ID) != 0 ||
	    buf_printf(&sql, e, "PRAGMA user_version = %d; COMMIT", RECORDS_SCHEMA) != 0)
		return -1;
	text = buf_str(&sql, e);
	return text != NULL ? db_exec(db, text, e) : -1;
}

int records_schema_version(struct db *db, const char *path, struct err *e)
{
	int64_t id, version;

	if (db_number(db, "PRAGMA application_id", DB_NONE, 0, &id, e) != 0 ||
	    db_number(db, "PRAGMA user_version", DB_NONE, 0, &version, e) != 0)
		return -1;
	if (id != APPLICATION_ID || version < 1)
		return err_set(e, ERR_RECORDS, "records.damaged", "%s is not a database of kiln's",
		    path);
	if (version > RECORDS_SCHEMA)
		return err_set(e, ERR_RECORDS, "records.newer",
		    "%s was written by a newer kiln (schema %lld, this one knows %d): use that one",
		    path, (long long)version, RECORDS_SCHEMA);
	if (version < RECORDS_SCHEMA)
		return err_set(e, ERR_RECORDS, "records.older",
		    "%s has schema %lld, this kiln needs %d: run kiln records upgrade", path,
		    (long long)version, RECORDS_SCHEMA);
	return 0;
}

int records_schema_check(struct db *db, const char *code, struct err *e)
{
	AUTO_STRUCT(db) ours = { 0 };

	if (db_open(&ours, NULL, DB_MEMORY, e) != 0 || records_schema_create(&ours, e) != 0)
		return -1;
	return db_compare(db, &ours, "schema",
	    "SELECT name, type, tbl_name, sql FROM sqlite_schema ORDER BY name, type", code, e);
}
