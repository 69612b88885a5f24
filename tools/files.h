/*
 * Files: what the commands need of the file system. Memory comes from malloc; a tool that gets none
 * ends with a message and exit code 3.
 */
#ifndef LASTBYTE_TOOLS_FILES_H
#define LASTBYTE_TOOLS_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define FILES_SIZE_MAX (16u << 20) /* bytes of a file that a command reads whole */
#define FILES_PARTED ".family"     /* files whose paths may name a part */

/* A growing list of paths; all bytes zero is an empty one. */
struct paths {
    char **items;
    size_t count;
    size_t capacity;
};

/* paths_add: adds a copy of `path`. */
void paths_add(struct paths *paths, const char *path);

/* paths_deinit: releases all; the list is empty afterwards. */
void paths_deinit(struct paths *paths);

/* paths_sort: orders by bytes, the same everywhere. */
void paths_sort(struct paths *paths);

/* paths_once: leaves each file, or part of one, its first path, whatever others name it. */
void paths_once(struct paths *paths);

/*
 * files_part: what a path names of a file that holds several cases: the text behind the colon of
 * "after.family:length-now"; NULL: the whole. Points into `path`.
 */
const char *files_part(const char *path);

/* files_whole: gives the path without its part (free). */
char *files_whole(const char *path);

enum files_found {
    FILES_FOUND,
    FILES_NONE,   /* nothing is called so */
    FILES_FAILED, /* it cannot be read; a message has been printed */
};

/*
 * files_gather: adds `path` itself if it is a file, or every file below it whose name ends with
 * `suffix` ("" for any), in the order of their names. Dot files are left out, links to folders are
 * not followed. A folder or a pipe whose name ends so is added as well, for its reader to refuse.
 */
enum files_found files_gather(const char *path, const char *suffix, struct paths *ret_paths);

/* files_is_same: whether two paths name one file that is there. */
bool files_is_same(const char *a, const char *b);

/* files_is_folder: whether `path` is a folder. */
bool files_is_folder(const char *path);

/* files_is_there: whether `path` names anything, a link to nothing included. */
bool files_is_there(const char *path);

/* files_is_file: whether `path` is a regular file. */
bool files_is_file(const char *path);

/*
 * files_read: the whole file; gives *ret_bytes (free), NUL-terminated after *ret_size. False if it
 * cannot be read, is no regular file, or is larger than FILES_SIZE_MAX; files_reason says why.
 */
bool files_read(const char *path, char **ret_bytes, size_t *ret_size);

/* files_reason: why files_read has just failed; a static string, or strerror's. */
const char *files_reason(const char *path);

/*
 * files_write: writes a regular file whole or not at all: a new one takes its name and its mode;
 * behind a link, its target's. Anything else, a pipe or a device, is written as it is. False if it
 * cannot; errno says why.
 */
bool files_write(const char *path, const void *bytes, size_t size);

/* files_make_folder: makes a folder and those above it; false if it cannot. */
bool files_make_folder(const char *path);

/* files_join: gives "folder/name" (free). */
char *files_join(const char *folder, const char *name);

/* files_stem: gives the file's name without folders and without `suffix` (free). */
char *files_stem(const char *path, const char *suffix);

/* files_has_suffix: whether `path` ends with `suffix`. */
bool files_has_suffix(const char *path, const char *suffix);

/* files_short: `path` without the current folder in front; points into `path`. */
const char *files_short(const char *path);

/* tool_alloc: zeroed memory, or the end of the process. */
void *tool_alloc(size_t size);

/* tool_copy: gives a copy of a text (free). */
char *tool_copy(const char *text);

#endif
