// What all processes use, thread by thread.

#include "kernel.h"

enum { MM_FILEPAGES = 0, MM_ANONPAGES = 1, MM_SHMEMPAGES = 3 };
// Of tables of descriptors that are longer so many words are not counted.
enum { TABLE_WORDS = 16 };
#define UNKNOWN 0xffffffff

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} KERNELS;

// One thread; what belongs to its process is with the first.
struct used {
	u64 started_ns;
	// Of this thread, and of those of its process that are gone.
	u64 ran_ns;
	u64 gone_ran_ns;
	u64 resident_pages;
	// As the kernel itself numbers processes.
	u32 process;
	// As the probe's pid namespace does; 0 with all threads but the first.
	u32 pid;
	u32 threads;
	u32 descriptors;
	u32 is_dead;
	u32 pad;
};

static u32 descriptors_of(struct task_struct *task)
{
	struct files_struct *files = COPIED(task->files);
	struct fdtable *table = 0;
	u64 *words = 0, word;
	u32 room = 0, count = 0;

	if (!files)
		return UNKNOWN;
	read_kernel(&table, sizeof(table), &files->fdt);
	if (!table)
		return UNKNOWN;
	read_kernel(&room, sizeof(room), &table->max_fds);
	read_kernel(&words, sizeof(words), &table->open_fds);
	if (!words || room > TABLE_WORDS * 64)
		return UNKNOWN;
	for (u32 i = 0; i < TABLE_WORDS; i++) {
		if (i * 64 >= room)
			break;
		word = 0;
		read_kernel(&word, sizeof(word), words + i);
		count += __builtin_popcountll(word);
	}
	return count;
}

// The kernel's counters are longer than what is read of them: which one must be known when this is compiled.
#define ADD_PAGES(sum, mm, kind) \
	do { \
		long long count = 0; \
		read_kernel(&count, sizeof(count), &(mm)->rss_stat[kind].count); \
		sum += count > 0 ? count : 0; \
	} while (0)

// What it has in memory, as /proc/pid/stat tells it; a kernel of before 6.2 counts in another way.
static u64 resident_pages_of(struct task_struct *task)
{
	struct mm_struct *mm = COPIED(task->mm);
	u64 pages = 0;

	if (!mm)
		return 0;
	if (!__builtin_preserve_field_info(((struct mm_struct *)0)->rss_stat[0].count, BPF_FIELD_EXISTS))
		return UNKNOWN;
	ADD_PAGES(pages, mm, MM_FILEPAGES);
	ADD_PAGES(pages, mm, MM_ANONPAGES);
	ADD_PAGES(pages, mm, MM_SHMEMPAGES);
	return pages;
}

SEC("iter/task")
int tasks_used(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct used used = {};

	if (!task)
		return 0;
	used.process = task->tgid;
	used.ran_ns = task->se.sum_exec_runtime;
	if (task->pid == task->tgid) {
		struct signal_struct *signal = COPIED(task->signal);

		used.pid = own_pid(task);
		used.started_ns = task->start_boottime;
		used.gone_ran_ns = COPIED(signal->sum_sched_runtime);
		used.threads = COPIED(signal->nr_threads);
		used.is_dead = task->exit_state;
		used.resident_pages = resident_pages_of(task);
		used.descriptors = descriptors_of(task);
	}
	write(context->meta->seq, &used, sizeof(used));
	return 0;
}

char _license[] SEC("license") = "GPL";
